"""From a log to what it says of a new policy."""

import math

import numpy as np

from clickwright.experiments.off_policy.bandit_log import BanditLog
from clickwright.experiments.off_policy.bootstrap import resampled_sums
from clickwright.experiments.off_policy.estimators import row_terms
from clickwright.experiments.off_policy.off_policy_estimate import OffPolicyEstimate
from clickwright.experiments.off_policy.off_policy_options import OffPolicyOptions
from clickwright.experiments.off_policy.off_policy_report import OffPolicyReport
from clickwright.experiments.off_policy.overlap import Overlap
from clickwright.experiments.off_policy.unit_sums import unit_sums

_LOGGED = "logged"


def estimate_policy(
    log: BanditLog,
    options: OffPolicyOptions | None = None,
    *,
    where: str = "the log",
) -> OffPolicyReport:
    """Estimates what the new policy earns, unless the log shows too little of it.

    Intervals are percentiles of resampled units. They do not know of rewards that were
    never seen: that is what the rules of overlap are for.

    Args:
        log: the choices of the logging policy.
        options: intervals, clipping and the rules of overlap.
        where: names the log in messages.

    Returns:
        Estimates with intervals, or refusals.

    Raises:
        DataError: the log is empty, or a number in it breaks its rule.
    """
    options = options or OffPolicyOptions()
    log.check(where)
    overlap = Overlap.of(log)
    clip = math.sqrt(len(log.reward)) if options.clip is None else options.clip
    refusals = overlap.refusals(options.overlap)

    terms = {_LOGGED: (log.reward, np.ones_like(log.reward))}
    if not refusals:
        terms |= row_terms(log, clip)
    columns = np.stack([part for pair in terms.values() for part in pair], axis=1)
    of_units = unit_sums(columns, log.unit)
    totals = of_units.sum(axis=0)
    drawn = resampled_sums(of_units, options.resamples, options.seed)
    value = dict(zip(terms, totals[0::2] / totals[1::2], strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        # A resample without any weight says nothing of the self-normalised mean.
        ratios = drawn[:, 0::2] / drawn[:, 1::2]
    resampled = dict(zip(terms, ratios.T, strict=True))

    def interval(values: np.ndarray) -> tuple[float, float]:
        tail = (1.0 - options.confidence) / 2
        low, high = np.nanquantile(values, [tail, 1.0 - tail])
        return float(low), float(high)

    estimates = []
    for name in terms:
        if name != _LOGGED:
            low, high = interval(resampled[name])
            below, above = interval(resampled[name] - resampled[_LOGGED])
            estimates.append(
                OffPolicyEstimate.model_validate(
                    {
                        "estimator": name,
                        "value": float(value[name]),
                        "low": low,
                        "high": high,
                        "difference": float(value[name] - value[_LOGGED]),
                        "difference_low": below,
                        "difference_high": above,
                    }
                )
            )
    logged_low, logged_high = interval(resampled[_LOGGED])
    return OffPolicyReport(
        overlap=overlap,
        refusals=refusals,
        logged=float(value[_LOGGED]),
        logged_low=logged_low,
        logged_high=logged_high,
        estimates=tuple(estimates),
        clip=clip,
        clipped_share=float((log.weight > clip).mean()),
        options=options,
    )
