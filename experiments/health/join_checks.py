"""Whether exposures and outcomes fit together."""

from clickwright.experiments.health.check import Check, Status
from clickwright.experiments.join_report import JoinReport

CROSSOVER_SHARE = 0.01
FEWEST_CROSSOVERS = 10
"""Crossovers take the trust away from this share on, and this number on."""
MOST_EARLY = 0.01
"""Share of outcomes that may come before their exposure."""
MOST_ORPHANS = 0.05
"""Share of outcomes that may lack an exposure."""
MOST_LOST = 0.001
"""Share of answered requests that may lack their exposure."""


def join_checks(joined: JoinReport) -> list[Check]:
    """Looks at crossovers, lost exposures, and outcomes that fit nothing."""
    return [_crossovers(joined), _lost(joined), _early(joined), _orphans(joined)]


def _crossovers(joined: JoinReport) -> Check:
    share = _share(joined.crossovers, joined.units + joined.crossovers)
    many = share >= CROSSOVER_SHARE and joined.crossovers >= FEWEST_CROSSOVERS
    return Check(
        name="crossovers",
        status="fail" if many else "ok",
        value=share,
        rule=f"fails at {CROSSOVER_SHARE:.0%} of the units and {FEWEST_CROSSOVERS} of "
        "them; they are left out of every number",
        text=f"{joined.crossovers:,} units were seen in more than one arm "
        f"({share:.2%}).",
    )


def _lost(joined: JoinReport) -> Check:
    share = _share(joined.lost_exposures, joined.lost_exposures + joined.exposures)
    status: Status = "warn" if joined.lost_exposures else "ok"
    return Check(
        name="lost exposures",
        status="fail" if share >= MOST_LOST else status,
        value=share,
        rule=f"warns at one, fails at {MOST_LOST:.1%} of the answered requests",
        text=f"{joined.lost_exposures:,} answered requests have no exposure in the "
        f"log ({share:.3%}).",
    )


def _early(joined: JoinReport) -> Check:
    own = joined.counted + joined.late + joined.before_exposure
    share = _share(joined.before_exposure, own)
    return Check(
        name="outcomes before their exposure",
        status="warn" if share >= MOST_EARLY else "ok",
        value=share,
        rule=f"warns at {MOST_EARLY:.0%}: clocks differ, or outcomes are not of this "
        "traffic; they are not counted",
        text=f"{joined.before_exposure:,} outcomes came before their exposure "
        f"({share:.2%}), {joined.late:,} after the attribution window.",
    )


def _orphans(joined: JoinReport) -> Check:
    share = _share(joined.orphans, joined.outcomes - joined.earlier - joined.others)
    return Check(
        name="outcomes without exposure",
        status="warn" if share >= MOST_ORPHANS else "ok",
        value=share,
        rule=f"warns at {MOST_ORPHANS:.0%}: exposures are missing, or the outcomes of "
        "all units are ingested",
        text=f"{joined.orphans:,} outcomes belong to no exposure ({share:.2%}).",
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
