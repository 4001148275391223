"""Whether the arms were answered as the definition says."""

import itertools

import pyarrow as pa
import pyarrow.compute as pc

from clickwright.experiments.health.check import Check
from clickwright.schemas.experiment import BUCKETS, Experiment

MOST_FAILED = 0.05
"""Share of an arm's requests that control may answer in its place."""
MOST_MISDATED = 0.001
"""Share of exposures that may lie outside the experiment's time."""
_WORDS = {
    "before_start": "before the start",
    "after_end": "after the end",
    "after_now": "in the future",
}


def traffic_checks(traffic: pa.Table, experiment: Experiment) -> list[Check]:
    """Looks at failed arms, versions, buckets and times.

    Args:
        traffic: as `traffic` counts it.
        experiment: the definition.
    """
    return [
        _failures(traffic, experiment),
        _versions(traffic, experiment),
        _buckets(traffic, experiment),
        _clock(traffic),
    ]


def _failures(traffic: pa.Table, experiment: Experiment) -> Check:
    shares = {}
    for arm in experiment.arms:
        rows = _of(traffic, arm)
        answered = pc.sum(rows["exposures"]).as_py() or 0
        failed = pc.sum(rows["failures"]).as_py() or 0
        shares[arm] = failed / answered if answered else 0.0
    worst = max(shares, key=lambda arm: shares[arm])
    return Check(
        name="arms that failed",
        status="fail"
        if shares[worst] >= MOST_FAILED
        else "warn"
        if shares[worst]
        else "ok",
        value=shares[worst],
        rule="warns at one request that control answered in an arm's place, fails at "
        f"{MOST_FAILED:.0%} of an arm's: its units did not see it",
        text="Answered by control in their place: "
        + ", ".join(f"{share:.3%} of {arm}" for arm, share in shares.items())
        + ".",
    )


def _versions(traffic: pa.Table, experiment: Experiment) -> Check:
    """An arm has one version, the one that it asks for, and no other arm's."""
    wrong, mixed, answered = [], [], {}
    for arm, definition in experiment.arms.items():
        rows = _of(traffic, arm)
        # Where control answered in an arm's place, the version is control's.
        own = pc.subtract(rows["exposures"], rows["failures"])
        rows = rows.append_column("own", own)
        seen = {r["version"]: r["own"] for r in rows.to_pylist() if r["own"] > 0}
        answered[arm] = (definition.target.model, frozenset(seen))
        asked = definition.target.version
        if asked is not None and set(seen) - {asked}:
            others = ", ".join(str(version) for version in sorted(set(seen) - {asked}))
            wrong.append(f"{arm} asks for version {asked} and was answered by {others}")
        if len(seen) > 1:
            counts = ", ".join(f"{v} ({n:,})" for v, n in seen.items())
            mixed.append(f"{arm} mixes the versions {counts}")
    same = [
        f"{one} and {other} were answered by the same version"
        for one, other in itertools.combinations(experiment.arms, 2)
        if experiment.arms[one].target != experiment.arms[other].target
        and answered[one][1]
        and answered[one] == answered[other]
    ]
    problems = wrong + same or mixed
    return Check(
        name="versions",
        status="fail" if wrong or same else "warn" if mixed else "ok",
        value=float(len(problems)),
        rule="fails where an arm is answered by another version than it asks for, or "
        "by another arm's; warns where one arm mixes versions",
        text=f"{'; '.join(problems)}."
        if problems
        else "Each arm was answered by one version of its own.",
    )


def _buckets(traffic: pa.Table, experiment: Experiment) -> Check:
    """The logged arm is the one that owns the logged bucket."""
    starts = itertools.accumulate(a.weight for a in experiment.arms.values())
    outside = []
    start = 0.0
    for arm, end in zip(experiment.arms, starts, strict=True):
        rows = _of(traffic, arm)
        first = pc.min(rows["first_bucket"]).as_py()
        last = pc.max(rows["last_bucket"]).as_py()
        # One bucket to each side: sums of weights are rounded.
        low, high = start * BUCKETS - 1, end * BUCKETS
        if first is not None and (first < low or last > high):
            outside.append(
                f"{arm} owns {low + 1:.0f} to {high - 1:.0f}, its exposures "
                f"have {first} to {last}"
            )
        start = end
    return Check(
        name="assignment",
        status="fail" if outside else "ok",
        value=float(len(outside)),
        rule="fails where exposures of an arm have buckets of another: they were "
        "assigned by another definition",
        text=f"Buckets: {'; '.join(outside)}."
        if outside
        else "Every arm's exposures lie in its own buckets.",
    )


def _clock(traffic: pa.Table) -> Check:
    counts = {name: pc.sum(traffic[name]).as_py() or 0 for name in _WORDS}
    total = (pc.sum(traffic["exposures"]).as_py() or 0) + counts["after_now"]
    off = sum(counts.values())
    share = off / total if total else 0.0
    said = ", ".join(f"{counts[name]:,} {words}" for name, words in _WORDS.items())
    return Check(
        name="clock",
        status="fail" if share >= MOST_MISDATED else "warn" if off else "ok",
        value=share,
        rule="warns at one exposure that is dated outside the experiment's time, "
        f"fails at {MOST_MISDATED:.1%}: a clock was wrong or went backwards",
        text=f"Exposures dated {said}.",
    )


def _of(traffic: pa.Table, arm: str) -> pa.Table:
    return traffic.filter(pc.equal(traffic["variant"], arm))
