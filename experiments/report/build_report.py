"""From the logs of an experiment to its report."""

import datetime
import logging
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from clickwright.experiments.decision.decision import Decision
from clickwright.experiments.event_join import EventJoin
from clickwright.experiments.events.event_store import EventStore
from clickwright.experiments.health.health import health
from clickwright.experiments.health.traffic import traffic
from clickwright.experiments.report.ab_report import AbReport
from clickwright.experiments.report.arm_record import ArmRecord
from clickwright.experiments.report.give_verdict import give_verdict
from clickwright.experiments.report.known_truth import KnownTruth
from clickwright.experiments.report.shadow_record import ShadowRecord
from clickwright.experiments.statistics.comparison import compare
from clickwright.experiments.statistics.cumulative import cumulative
from clickwright.experiments.statistics.effect import Effect
from clickwright.experiments.statistics.novelty import by_day
from clickwright.experiments.statistics.slices import by_slice
from clickwright.schemas.errors import DataError
from clickwright.schemas.experiment import Experiment, Target

progress = logging.getLogger("clickwright.progress")


def build_report(
    experiment: Experiment,
    exposures: EventStore,
    outcomes: EventStore,
    *,
    at: datetime.datetime | None = None,
    lineage: Mapping[str, Mapping[str, str]] | None = None,
    decisions: Sequence[Decision] = (),
    true_lifts: Mapping[str, Mapping[str, float]] | None = None,
) -> AbReport:
    """Joins the logs, checks them, compares the arms and says what came of it.

    Args:
        experiment: the definition.
        exposures: the exposure log.
        outcomes: the outcome log.
        at: what is later is left out; now by default.
        lineage: by arm, what is known of its model: name of a fact and the fact.
        decisions: what was decided so far, oldest first.
        true_lifts: by metric and arm, the true relative lift where a simulator
            knows it.

    Returns:
        The report.

    Raises:
        ConfigError: the definition asks for what cannot be computed.
        DataError: a log cannot be read, or a true lift names no effect.
        MachineError: memory or disk do not suffice.
    """
    at = at or datetime.datetime.now(datetime.UTC)
    progress.info("joining", extra={"detail": "outcomes to exposures"})
    with EventJoin(experiment, exposures, outcomes, at) as join:
        progress.info("summing", extra={"detail": "units and their days"})
        units = join.units()
        days = join.unit_days()
        joined = join.report()
        answered = traffic(join.connection, join.exposures, experiment, at)
    progress.info("comparing", extra={"detail": f"arms of {units.num_rows:,} units"})
    effects = tuple(compare(units, experiment))
    report = AbReport(
        experiment=experiment,
        at=at,
        first_at=joined.first_at,
        last_at=joined.last_at,
        exposures=joined.exposures,
        health=health(units, answered, joined, experiment),
        arms=_arms(units, answered, experiment, lineage or {}),
        shadow=_shadow(answered, experiment),
        effects=effects,
        cumulative=tuple(cumulative(days, experiment)),
        slices=tuple(by_slice(units, experiment)),
        novelty=tuple(by_day(days, experiment)),
        decisions=tuple(decisions),
        truth=tuple(_truth(effects, true_lifts or {})),
    )
    return report.model_copy(update={"verdict": give_verdict(report)})


def _arms(
    units: pa.Table,
    answered: pa.Table,
    experiment: Experiment,
    lineage: Mapping[str, Mapping[str, str]],
) -> tuple[ArmRecord, ...]:
    counted = {
        pair["values"]: pair["counts"]
        for pair in pc.value_counts(units["variant"]).to_pylist()
    }
    rows = answered.to_pylist()
    return tuple(
        ArmRecord(
            name=name,
            weight=arm.weight,
            target=_written(arm.target),
            control=name == experiment.control,
            units=counted.get(name, 0),
            exposures=sum(r["exposures"] for r in rows if r["variant"] == name),
            versions={
                str(r["version"]): r["exposures"]
                for r in rows
                if r["variant"] == name and r["exposures"]
            },
            lineage=dict(lineage.get(name, {})),
        )
        for name, arm in experiment.arms.items()
    )


def _shadow(answered: pa.Table, experiment: Experiment) -> ShadowRecord | None:
    if experiment.shadow.arm is None:
        return None
    compared = pc.sum(answered["compared"]).as_py()
    total = pc.sum(answered["shadow_sum"]).as_py()
    return ShadowRecord(
        arm=experiment.shadow.arm,
        requests=pc.sum(answered["shadowed"]).as_py() or 0,
        mean_difference=total / compared if compared else None,
        largest_difference=pc.max(answered["shadow_largest"]).as_py(),
    )


def _written(target: Target) -> str:
    if target.label is not None:
        return f"{target.model}:{target.label}"
    return (
        target.model if target.version is None else f"{target.model}/{target.version}"
    )


def _truth(
    effects: Sequence[Effect], true_lifts: Mapping[str, Mapping[str, float]]
) -> list[KnownTruth]:
    measured = {(effect.metric, effect.arm): effect for effect in effects}
    found = []
    for metric, by_arm in true_lifts.items():
        for arm, lift in by_arm.items():
            effect = measured.get((metric, arm))
            if effect is None:
                raise DataError(
                    f"A true lift is given for `{metric}` of `{arm}`, which is not "
                    "measured. Measured are: "
                    f"{', '.join(f'{m} of {a}' for m, a in measured)}.",
                    where="true_lifts",
                    fix="name a metric and an arm of the experiment",
                )
            found.append(
                KnownTruth(
                    metric=metric,
                    arm=arm,
                    lift=lift,
                    covered=_inside(effect.lift_low, lift, effect.lift_high),
                    always_covered=_inside(effect.always_low, lift, effect.always_high),
                )
            )
    return found


def _inside(low: float | None, value: float, high: float | None) -> bool | None:
    return None if low is None or high is None else low <= value <= high
