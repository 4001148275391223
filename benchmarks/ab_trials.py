"""Simulated experiments of which the truth is known, and what was found in them."""

import dataclasses
import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clickwright.experiments.assignment import assign_all
from clickwright.experiments.health.sample_ratio import SampleRatio
from clickwright.experiments.statistics.comparison import compare
from clickwright.experiments.statistics.cumulative import cumulative
from clickwright.experiments.statistics.effect import Effect
from clickwright.schemas.experiment import Experiment
from clickwright.schemas.strict_yaml import parse

DAYS = 14
MARGIN = 0.1
"""Of the guardrail, and exactly the harm that treatments do it."""
START = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)


@dataclasses.dataclass(frozen=True)
class Trial:
    """What was found in one experiment.

    Attributes:
        units: units seen.
        ctr: the effect on the primary metric at the end.
        revenue: that on the secondary metric.
        plain_revenue: the same without covariates.
        naive: whether the fixed-horizon test rejected on some day.
        sequential_day: the first day (1 upwards) on which the always-valid test did.
        always_missed: whether the always-valid interval missed the truth on some day.
        breached: whether the guardrail was breached on some day.
        sample_ratio_p: p-value of the arms' sizes.
    """

    units: int
    ctr: Effect
    revenue: Effect
    plain_revenue: Effect
    naive: bool
    sequential_day: int | None
    always_missed: bool
    breached: bool
    sample_ratio_p: float


def definition(salt: str) -> Experiment:
    """Two arms by halves for two weeks, CUPED on two weeks before."""
    content: dict[str, Any] = {
        "id": "simulated",
        "hypothesis": "The lift is as simulated.",
        "model": "ctr",
        "hash": {"salt": salt},
        "arms": {
            name: {"weight": 0.5, "target": {"model": "ctr"}}
            for name in ("control", "treatment")
        },
        "start": START.isoformat(),
        "end": (START + datetime.timedelta(days=DAYS)).isoformat(),
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
                "margin": MARGIN,
            },
        ],
        "cuped": {"days": 14},
        "stopping": {"rule": "fixed"},
    }
    return parse(Experiment, content, "benchmark")


def population(
    random: np.random.Generator, people: int, lift: NDArray[np.float64] | float = 0.0
) -> dict[str, NDArray[Any]]:
    """What people do: before, `[people]`, and on each day, `[people, days]`.

    People differ in how often they come and how gladly they click, before as after.

    Args:
        random: all chance.
        people: how many.
        lift: how much more, relatively, they click and pay.
    """
    often = random.gamma(1.0, 1.0, people)
    gladly = random.beta(1.0, 9.0, people)
    before = random.poisson(often * 14)
    clicked_before = random.binomial(before, gladly)
    exposures = random.poisson(np.repeat(often[:, None], DAYS, axis=1))
    clicks = random.binomial(exposures, (gladly * (1 + lift))[:, None])
    return {
        "exposures_before": before,
        "click_before": clicked_before,
        "revenue_before": random.gamma(clicked_before + 1e-9),
        "exposures": exposures,
        "click": clicks,
        "revenue": random.gamma(clicks + 1e-9),
        "latency_ms": random.gamma(exposures * 2.0 + 1e-9, 10.0),
    }


def trial(seed: int, people: int, lift: float) -> Trial:
    """Runs one experiment, looked at each day.

    Args:
        seed: of all chance, and the salt of the assignment.
        people: who might come.
        lift: true relative lift of CTR and revenue per user.
    """
    random = np.random.default_rng(seed)
    experiment = definition(f"trial{seed}")
    names = [f"u{number}" for number in range(people)]
    variant = assign_all(experiment, names, START)["variant"].to_numpy()
    treated = variant == "treatment"
    did = population(random, people, np.where(treated, lift, 0.0))
    did["latency_ms"] = did["latency_ms"] * np.where(treated, 1 + MARGIN, 1.0)[:, None]
    unit_days = _unit_days(names, variant, did)
    days: dict[datetime.date, dict[str, Effect]] = {}
    for point in cumulative(unit_days, experiment):
        days.setdefault(point.day, {})[point.effect.metric] = point.effect
    looks = [effects["ctr"] for effects in days.values()]
    last = days[max(days)]
    plain = compare(_whole(unit_days), experiment.model_copy(update={"cuped": None}))
    return Trial(
        units=last["ctr"].units_control + last["ctr"].units_arm,
        ctr=last["ctr"],
        revenue=last["revenue_per_user"],
        plain_revenue=next(e for e in plain if e.metric == "revenue_per_user"),
        naive=any(_below(look, 0.05) for look in looks),
        sequential_day=next(
            (day for day, look in enumerate(looks, 1) if look.always_significant), None
        ),
        always_missed=any(
            look.always_low is not None
            and look.always_high is not None
            and not look.always_low <= lift <= look.always_high
            for look in looks
        ),
        breached=any(effects["latency_ms"].breached for effects in days.values()),
        sample_ratio_p=SampleRatio(
            {"control": last["ctr"].units_control, "treatment": last["ctr"].units_arm},
            {"control": 0.5, "treatment": 0.5},
        ).p_value,
    )


def units_of(did: dict[str, NDArray[Any]]) -> pa.Table:
    """One row for each of the people that came, without arms."""
    came = did["exposures"].sum(axis=1) > 0
    return pa.table(
        {
            name: (value.sum(axis=1) if value.ndim == 2 else value)[came]
            for name, value in did.items()
        }
    )


def _below(look: Effect, alpha: float) -> bool:
    return look.p_value is not None and look.p_value < alpha


def _unit_days(
    names: list[str], variant: NDArray[Any], did: dict[str, NDArray[Any]]
) -> pa.Table:
    """One row for each of the people and day on which they came."""
    person, day = np.nonzero(did["exposures"])
    return pa.table(
        {
            "unit": pa.array(names).take(pa.array(person)),
            "variant": pa.array(variant, pa.string()).take(pa.array(person)),
            "day": pa.array(np.datetime64(START.date()) + day, pa.date32()),
            **{
                name: value[person, day] if value.ndim == 2 else value[person]
                for name, value in did.items()
            },
        }
    )


def _whole(unit_days: pa.Table) -> pa.Table:
    """The sums over all days of each unit."""
    sums = ("exposures", "click", "revenue", "latency_ms")
    grouped = unit_days.group_by(["unit", "variant"]).aggregate(
        [(name, "sum") for name in sums]
    )
    return grouped.rename_columns(["unit", "variant", *sums])
