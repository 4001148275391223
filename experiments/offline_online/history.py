"""Past experiments in one table, and what offline figures were worth in them."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import scipy.stats

from clickwright.experiments.offline_online.offline_facts import (
    METRICS,
    OFF_POLICY,
    number,
)
from clickwright.experiments.offline_online.past_result import PastResult
from clickwright.experiments.offline_online.promise import Promise
from clickwright.experiments.report.ab_report import AbReport

PREDICTORS = (*METRICS, "off_policy")
_FEWEST_TO_CORRELATE = 3


def past_results(reports: Iterable[AbReport]) -> list[PastResult]:
    """One result for each arm that was compared with control, oldest first.

    Args:
        reports: of an experiment that is there more than once, the last one counts.
    """
    last: dict[str, AbReport] = {}
    for report in sorted(reports, key=lambda report: report.at):
        last[report.experiment.id] = report
    found = [result for report in last.values() for result in _results(report)]
    return sorted(found, key=lambda result: result.at)


def promises(results: Sequence[PastResult]) -> list[Promise]:
    """What each predictor was worth; those that no arm has are left out.

    References:
        Beel et al., *A comparative analysis of offline and online evaluations*, RepSys
        2013, on how little offline gains may mean online.
    """
    found = []
    for predictor in PREDICTORS:
        pairs = [
            (promised, gain, _variance(result))
            for result in results
            if (promised := result.promised(predictor)) is not None
            and (gain := result.gain) is not None
        ]
        if pairs:
            found.append(_promise(predictor, np.array(pairs)))
    return found


def _promise(predictor: str, pairs: np.ndarray) -> Promise:
    promised, gain, variance = pairs.T
    correlation = None
    varied = len(set(promised)) > 1 and len(set(gain)) > 1
    if len(pairs) >= _FEWEST_TO_CORRELATE and varied:
        correlation = float(scipy.stats.spearmanr(promised, gain).statistic)
    squares = float((promised**2 / variance).sum())
    return Promise(
        predictor=predictor,
        arms=len(pairs),
        same_sign=int((np.sign(promised) == np.sign(gain)).sum()),
        rank_correlation=correlation,
        slope=float((promised * gain / variance).sum()) / squares if squares else None,
    )


def _variance(result: PastResult) -> float:
    """In units that all arms share: the squared width of the lift's interval."""
    if result.lift_low is None or result.lift_high is None:
        return 1.0
    return max(result.lift_high - result.lift_low, 1e-6) ** 2


def _results(report: AbReport) -> Iterator[PastResult]:
    facts = {arm.name: arm.lineage for arm in report.arms}
    control = facts.get(report.experiment.control, {})
    for effect in report.primary():
        own = facts.get(effect.arm, {})
        offline = {
            name: arms - controls
            for name in METRICS
            if (arms := number(own, name)) is not None
            and (controls := number(control, name)) is not None
        }
        yield PastResult.model_validate(
            {
                "experiment": report.experiment.id,
                "model": report.experiment.model,
                "arm": effect.arm,
                "at": report.at,
                "metric": effect.metric,
                "direction": effect.direction,
                "trusted": report.health.trusted,
                "offline": offline,
                "lift": effect.lift,
                "lift_low": effect.lift_low,
                "lift_high": effect.lift_high,
                **{name: number(own, name) for name in OFF_POLICY},
            }
        )
