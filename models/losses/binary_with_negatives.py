"""Telling the next item from negatives, one by one."""

from typing import Any

from keras import ops

from clickwright.models.losses.weighted_mean import weighted_mean


def binary_with_negatives(positive: Any, negative: Any, weights: Any) -> Any:
    """`-ln s(positive) - sum_n ln(1 - s(negative_n))`, the weighted mean over places.

    Args:
        positive: logits of the next items, `[batch, L]`.
        negative: logits of negatives, `[batch, L, n]`.
        weights: 1 where there is a next item, else 0, `[batch, L]`.

    Returns:
        A scalar, 0 where there is no next item at all.

    References:
        Kang and McAuley, Self-Attentive Sequential Recommendation, ICDM 2018, eq. 7.
    """
    losses = ops.softplus(-positive) + ops.sum(ops.softplus(negative), axis=-1)
    return weighted_mean(ops.reshape(losses, (-1,)), ops.reshape(weights, (-1,)))
