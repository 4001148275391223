"""Which arm a unit gets."""

import dataclasses
import datetime
import itertools
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clickwright.experiments import hashing
from clickwright.schemas.experiment import BUCKETS, Experiment

Reason = Literal["assigned", "override", "outside layer", "outside ramp", "not running"]


@dataclasses.dataclass(frozen=True, slots=True)
class Assignment:
    """What a unit gets in one experiment.

    Attributes:
        variant: the arm; None where the unit does not take part.
        bucket: the unit's bucket in the experiment, from 0 to 9,999.
        propensity: probability of the variant among those that take part: its arm's
            weight, 1 for an override, 0 without a variant.
        reason: how it came to that.
    """

    variant: str | None
    bucket: int
    propensity: float
    reason: Reason


def assign(experiment: Experiment, unit: str, at: datetime.datetime) -> Assignment:
    """Assigns a unit.

    An arm owns the buckets from its start, which is the sum of the weights before it,
    to its start and as much of its weight as the ramp has reached. So a ramp that
    grows adds units to each arm and moves none from one to another.

    Args:
        experiment: its definition.
        unit: the id as the request has it, before any pseudonym.
        at: when the request came, aware of its time zone.
    """
    scheme, layer = experiment.hash.scheme, experiment.layer
    bucket = hashing.bucket(scheme, experiment.salt, unit)
    if not experiment.running_at(at):
        return Assignment(None, bucket, 0.0, "not running")
    if (override := experiment.overrides.get(unit)) is not None:
        return Assignment(override, bucket, 1.0, "override")
    first, behind = layer.buckets
    # Most experiments have their layer for themselves: no second hash for these.
    if (first, behind) != (0, BUCKETS) and not (
        first <= hashing.layer_bucket(scheme, layer.name, unit) < behind
    ):
        return Assignment(None, bucket, 0.0, "outside layer")
    place = bucket / BUCKETS
    for name, start, end in _ranges(experiment, experiment.share_at(at)):
        if start <= place < end:
            weight = experiment.arms[name].weight
            return Assignment(name, bucket, weight, "assigned")
    return Assignment(None, bucket, 0.0, "outside ramp")


def assign_among(
    experiments: Iterable[Experiment], unit: str, at: datetime.datetime
) -> tuple[Experiment, Assignment] | None:
    """Assigns a unit in the one experiment that takes it.

    Args:
        experiments: those of one layer: `ExperimentBook.of_model`.
        unit: the id as the request has it, before any pseudonym.
        at: when the request came, aware of its time zone.

    Returns:
        The experiment and what the unit gets there; None where none takes it. An
        override comes before an assignment in another experiment.
    """
    taken = None
    for experiment in experiments:
        assignment = assign(experiment, unit, at)
        if assignment.reason == "override":
            return experiment, assignment
        if assignment.variant is not None and taken is None:
            taken = experiment, assignment
    return taken


def assign_all(
    experiment: Experiment,
    units: Sequence[str] | npt.NDArray[Any] | pa.Array | pa.ChunkedArray,
    at: datetime.datetime,
) -> pa.Table:
    """Assigns many units at one time, each as `assign` does.

    Args:
        experiment: its definition.
        units: the ids as the requests have them, before any pseudonym.
        at: the time of all, aware of its time zone.

    Returns:
        One row a unit, in order: `unit`, and the attributes of `Assignment`.
    """
    names: list[str] = (
        units.to_pylist()
        if isinstance(units, pa.Array | pa.ChunkedArray)
        else [str(unit) for unit in units]
    )
    scheme, layer = experiment.hash.scheme, experiment.layer
    bucket = hashing.buckets(scheme, experiment.salt, names)
    place = bucket / BUCKETS
    variant = np.full(len(names), None, dtype=object)
    propensity = np.zeros(len(names))
    reason = np.full(len(names), "outside ramp", dtype=object)
    for name, start, end in _ranges(experiment, experiment.share_at(at)):
        inside = (start <= place) & (place < end)
        variant[inside] = name
        propensity[inside] = experiment.arms[name].weight
        reason[inside] = "assigned"
    first, behind = layer.buckets
    if (first, behind) != (0, BUCKETS):
        own = hashing.layer_buckets(scheme, layer.name, names)
        outside = (own < first) | (own >= behind)
        variant[outside], propensity[outside] = None, 0.0
        reason[outside] = "outside layer"
    if experiment.overrides:
        for row, unit in enumerate(names):
            if (override := experiment.overrides.get(unit)) is not None:
                variant[row], propensity[row], reason[row] = override, 1.0, "override"
    if not experiment.running_at(at):
        variant[:], propensity[:], reason[:] = None, 0.0, "not running"
    return pa.table(
        {
            "unit": pa.array(names, pa.string()),
            "variant": pa.array(variant, pa.string()),
            "bucket": pa.array(bucket, pa.int32()),
            "propensity": pa.array(propensity, pa.float64()),
            "reason": pa.array(reason, pa.string()),
        }
    )


def _ranges(experiment: Experiment, share: float) -> Iterable[tuple[str, float, float]]:
    """Each arm's range of [0, 1), computed in the order that GrowthBook's SDKs do.

    The same floating-point operations put a bucket on the same side of a border.
    """
    weights = [arm.weight for arm in experiment.arms.values()]
    starts = itertools.accumulate(weights, initial=0.0)
    for name, start, weight in zip(experiment.arms, starts, weights, strict=False):
        yield name, start, start + share * weight
