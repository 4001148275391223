"""Area under the ROC curve, exact."""

import numpy as np
from numpy.typing import ArrayLike


def area_under_roc(
    labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None
) -> float:
    """Probability that a positive row scores above a negative one; ties count half.

    `sum_{p, n} w_p w_n ([s_p > s_n] + [s_p = s_n] / 2) / (sum_p w_p sum_n w_n)`, by
    one sort; no thresholds and no binning.

    Args:
        labels: 0 or 1, `[rows]`.
        scores: any order-preserving scores, `[rows]`.
        weights: weight of each row, `[rows]`; 1 when absent.

    Returns:
        The area, or NaN when only one class has weight.
    """
    label = np.asarray(labels, np.float64)
    weight = np.ones_like(label) if weights is None else np.asarray(weights, np.float64)
    score = np.asarray(scores)
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    positive = (weight * label)[order]
    negative = (weight * (1.0 - label))[order]
    # Rows of one score form a group; a positive stands above all groups before.
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])[: len(ordered)]
    total_positive, total_negative = positive.sum(), negative.sum()
    if total_positive == 0.0 or total_negative == 0.0:
        return float("nan")
    positive = np.add.reduceat(positive, starts)
    negative = np.add.reduceat(negative, starts)
    below = np.cumsum(negative) - negative
    pairs = np.sum(positive * (below + 0.5 * negative))
    return float(pairs / (total_positive * total_negative))
