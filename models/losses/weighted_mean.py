"""Means over the rows that have a label."""

from typing import Any

from keras import ops


def weighted_mean(values: Any, weights: Any) -> Any:
    """`sum(w * v) / sum(w)`; 0 when all weights are 0.

    Args:
        values: `[batch]` or `[batch, K]`.
        weights: `[batch]`.

    Returns:
        A scalar, or `[K]`.
    """
    column = weights if len(values.shape) == 1 else ops.expand_dims(weights, -1)
    total = ops.sum(column * values, axis=0)
    return ops.divide_no_nan(total, ops.sum(weights))
