"""Cross-entropy among the next item and a sample of others."""

from typing import Any

from keras import ops

from clickwright.models.losses.weighted_mean import weighted_mean

_LOWEST = -5e4
"""Logit of what does not take part, as in the code of HSTU's authors."""


def sampled_softmax(
    positive: Any, negative: Any, weights: Any, takes_part: Any = None
) -> Any:
    """`-ln(e^p / (e^p + sum_n e^n))`, the weighted mean over places, in float32.

    Where negatives are drawn by popularity, take `ln q(item)` from every logit before
    (logQ): else popular items are pushed down for being drawn often.

    Args:
        positive: logits of the next items, `[...]`.
        negative: logits of the sample, `[..., n]`.
        weights: 1 where there is a next item, else 0, `[...]`.
        takes_part: bool, broadcast to `[..., n]`: false of negatives to leave out,
            such as those that are the next item itself; None keeps all.

    Returns:
        A scalar, 0 where there is no next item at all.

    References:
        Bengio and Senecal, Adaptive importance sampling, 2008; Yi et al., RecSys 2019.
    """
    positive = ops.cast(positive, "float32")
    negative = ops.cast(negative, "float32")
    if takes_part is not None:
        negative = ops.where(takes_part, negative, _LOWEST)
    together = ops.logaddexp(positive, ops.logsumexp(negative, axis=-1))
    losses = ops.reshape(together - positive, (-1,))
    return weighted_mean(losses, ops.reshape(weights, (-1,)))
