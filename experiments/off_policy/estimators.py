"""What each estimator adds up.

Every estimator here is a ratio of two sums over rows, which is all that the estimate
and its resampling need. With w = target / propensity, r the reward, q the reward model's
value of the logged choice and v its value of the new policy:

- `ips` = sum w r / N. Unbiased; its variance is that of the weights.
- `snips` = sum w r / sum w. Its bias falls with 1 / N; it does not leave the range of
  the rewards, and does not change when a constant is added to all of them but by it.
- `clipped` = sum min(w, c) r / N. Gives up the largest weights: biased towards 0 for
  rewards of 0 or more.
- `dr` = sum (v + w (r - q)) / N. Unbiased whatever the model; the better the model, the
  smaller the variance.
- `dm` = sum v / N. As biased as its model; only there to be compared with `dr`.

References:
    Horvitz and Thompson, 1952 (ips); Swaminathan and Joachims, *The self-normalized
    estimator for counterfactual learning*, NeurIPS 2015; Ionides, *Truncated importance
    sampling*, JCGS 2008; Dudik, Langford and Li, *Doubly robust policy evaluation and
    learning*, ICML 2011.
"""

import numpy as np

from clickwright.experiments.off_policy.bandit_log import BanditLog, Floats

ESTIMATORS = ("ips", "snips", "clipped", "dr", "dm")


def row_terms(log: BanditLog, clip: float) -> dict[str, tuple[Floats, Floats]]:
    """The numerator and the denominator that each row adds, by estimator.

    Args:
        log: N rows; without a reward model `dr` and `dm` are left out.
        clip: the largest weight of `clipped`.

    Returns:
        Two arrays [N] by the name of the estimator.
    """
    weight, one = log.weight, np.ones_like(log.reward)
    found = {
        "ips": (weight * log.reward, one),
        "snips": (weight * log.reward, weight),
        "clipped": (np.minimum(weight, clip) * log.reward, one),
    }
    if log.predicted is not None and log.predicted_target is not None:
        residual = log.reward - log.predicted
        found["dr"] = (log.predicted_target + weight * residual, one)
        found["dm"] = (log.predicted_target, one)
    return found
