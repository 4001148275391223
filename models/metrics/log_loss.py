"""Log loss (binary cross-entropy), exact."""

import numpy as np
from numpy.typing import ArrayLike


def log_loss(
    labels: ArrayLike, probabilities: ArrayLike, weights: ArrayLike | None = None
) -> float:
    """Weighted mean of `-y log p - (1 - y) log(1 - p)`, in nats and float64.

    Args:
        labels: 0 or 1, `[rows]`.
        probabilities: `[rows]`; clipped to `[1e-7, 1 - 1e-7]` as published click-model
            figures are.
        weights: weight of each row, `[rows]`; 1 when absent.

    Returns:
        The mean, or NaN when no row has weight.
    """
    label = np.asarray(labels, np.float64)
    p = np.clip(np.asarray(probabilities, np.float64), 1e-7, 1.0 - 1e-7)
    weight = np.ones_like(label) if weights is None else np.asarray(weights, np.float64)
    total = weight.sum()
    if total == 0.0:
        return float("nan")
    losses = -label * np.log(p) - (1.0 - label) * np.log1p(-p)
    return float(np.sum(weight * losses) / total)
