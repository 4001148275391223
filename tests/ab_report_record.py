"""A report of an experiment that looks like a real one, for its tests."""

import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from clickwright.experiments.decision.decision import Decision
from clickwright.experiments.health.check import Check
from clickwright.experiments.health.health_report import HealthReport
from clickwright.experiments.report.ab_report import AbReport
from clickwright.experiments.report.arm_record import ArmRecord
from clickwright.experiments.report.known_truth import KnownTruth
from clickwright.experiments.report.verdict import Verdict
from clickwright.experiments.statistics.comparison import compare
from clickwright.experiments.statistics.cumulative import cumulative
from clickwright.experiments.statistics.novelty import by_day
from clickwright.experiments.statistics.slices import by_slice
from clickwright.schemas.experiment import Experiment
from clickwright.schemas.strict_yaml import parse

START = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
UNITS, DAYS = 1_500, 6
RATES = {"control": 0.10, "treatment": 0.13, "bold": 0.1}
DEFINITION: dict[str, Any] = {
    "id": "dcnv2_against_lr",
    "hypothesis": "Crosses of user and item raise clicks.",
    "model": "ctr",
    "arms": {
        "control": {"weight": 0.4, "target": {"model": "ctr", "label": "stable"}},
        "treatment": {"weight": 0.4, "target": {"model": "ctr", "label": "canary"}},
        "bold": {"weight": 0.2, "target": {"model": "ctr", "version": 3}},
    },
    "start": "2026-11-01T00:00:00Z",
    "end": "2026-11-15T00:00:00Z",
    "metrics": [
        {
            "name": "ctr",
            "kind": "ratio",
            "numerator": "click",
            "denominator": "exposures",
            "role": "primary",
            "minimum_effect": 0.05,
        },
        {"name": "revenue_per_user", "kind": "mean", "value": "revenue"},
        {
            "name": "latency_ms",
            "kind": "ratio",
            "numerator": "latency_ms",
            "denominator": "exposures",
            "role": "guardrail",
            "direction": "decrease",
            "margin": 0.2,
        },
    ],
    "slices": ["device"],
}
HEALTHY = HealthReport.of(
    (
        Check(
            name="sample ratio",
            status="ok",
            value=0.7,
            rule="fails at p < 0.001",
            text="Units: control 600 (40.00%, due 40.00%).",
        ),
        Check(
            name="latency",
            status="warn",
            value=0.12,
            rule="warns at a difference of at least 10%",
            text="treatment takes 4.50 ms, control 4.00 ms.",
        ),
    )
)
SICK = HealthReport.of(
    (
        *HEALTHY.checks,
        Check(
            name="crossovers",
            status="fail",
            value=0.02,
            rule="fails at 1% of the units and 10 of them",
            text="40 units were seen in more than one arm (2.00%).",
        ),
    )
)


def experiment(**changes: Any) -> Experiment:
    """Three arms of one model, and a ratio, a mean and a guardrail."""
    return parse(Experiment, DEFINITION | changes, "test")


def unit_days(seed: int = 0) -> pa.Table:
    """What every unit did on each of its days."""
    random = np.random.default_rng(seed)
    arms = random.choice(list(RATES), UNITS, p=[0.4, 0.4, 0.2])
    device = random.choice(["phone", "desktop", "<b>tv</b>"], UNITS, p=[0.6, 0.3, 0.1])
    first = random.integers(DAYS, size=UNITS)
    unit, day = np.nonzero(
        (np.arange(DAYS) >= first[:, None]) & (random.random((UNITS, DAYS)) < 0.5)
        | (np.arange(DAYS) == first[:, None])
    )
    exposures = 1 + random.poisson(4, len(unit))
    rate = np.array([RATES[arm] for arm in arms])[unit]
    clicks = random.binomial(exposures, rate)
    return pa.table(
        {
            "unit": pa.array([f"u{number}" for number in unit]),
            "variant": pa.array(arms[unit].astype(object), pa.string()),
            "day": pa.array((START.date() - datetime.date(1970, 1, 1)).days + day)
            .cast(pa.int32())
            .cast(pa.date32()),
            "exposures": pa.array(exposures.astype(np.float64)),
            "latency_ms": pa.array(exposures * random.gamma(40, 0.1, len(unit))),
            "click": pa.array(clicks.astype(np.float64)),
            "revenue": pa.array(clicks * random.gamma(2, 5, len(unit))),
            "device": pa.array(device[unit].astype(object), pa.string()),
        }
    )


def ab_report(**changes: Any) -> AbReport:
    """A healthy report in its sixth day; `changes` are fields of it."""
    definition = experiment()
    days = unit_days()
    sums = ["exposures", "latency_ms", "click", "revenue"]
    units = days.group_by(["unit", "variant", "device"]).aggregate(
        [(name, "sum") for name in sums]
    )
    units = units.rename_columns(
        [name.removesuffix("_sum") for name in units.column_names]
    )
    effects = tuple(compare(units, definition))
    lift = RATES["treatment"] / RATES["control"] - 1
    found = effects[0]
    report = AbReport(
        experiment=definition,
        at=START + datetime.timedelta(days=DAYS),
        first_at=START,
        last_at=START + datetime.timedelta(days=DAYS, seconds=-1),
        exposures=12_345,
        verdict=Verdict(
            outcome="better",
            arm="treatment",
            headline="treatment is better",
            sentence="`treatment` is better on ctr.",
        ),
        health=HEALTHY,
        arms=(
            ArmRecord(
                name="control",
                weight=0.4,
                target="ctr:stable",
                control=True,
                units=600,
                exposures=5_000,
                versions={"1795294438": 5_000},
                lineage={"run_id": "2026-10-30T09:26:53", "model": "lr"},
            ),
            ArmRecord(
                name="treatment",
                weight=0.4,
                target="ctr:canary",
                units=600,
                exposures=4_900,
                versions={"1795294536": 4_890, "1795294438": 10},
                lineage={"run_id": "2026-10-31T09:26:53", "model": "dcnv2"},
            ),
            ArmRecord(name="bold", weight=0.2, target="ctr/3", units=300),
        ),
        effects=effects,
        cumulative=tuple(cumulative(days, definition)),
        slices=tuple(by_slice(units, definition)),
        novelty=tuple(by_day(days, definition)),
        decisions=(
            Decision(
                at=START,
                experiment=definition.id,
                action="start",
                by="person",
                reason="`clickwright ab start`.",
            ),
            Decision(
                at=START + datetime.timedelta(days=1),
                experiment=definition.id,
                action="continue",
                reason="1.0 of at least 3 days have passed.",
                numbers={"rule": {"alpha": 0.05}},
            ),
        ),
        truth=(
            KnownTruth(
                metric="ctr",
                arm="treatment",
                lift=lift,
                covered=(found.lift_low or 0) <= lift <= (found.lift_high or 0),
                always_covered=True,
            ),
        ),
    )
    return report.model_copy(update=changes)


def empty_report() -> AbReport:
    """An experiment without a single exposure."""
    return AbReport(
        experiment=experiment(),
        at=START,
        first_at=None,
        last_at=None,
        exposures=0,
        health=SICK,
        arms=(),
        effects=(),
    )
