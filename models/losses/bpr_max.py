"""Ranking the next item above the best of a sample."""

from typing import Any

from keras import ops

from clickwright.models.losses.weighted_mean import weighted_mean

_TINY = 1e-24
_LOWEST = -1e9


def bpr_max(
    positive: Any,
    negative: Any,
    weights: Any,
    takes_part: Any = None,
    regularization: float = 1.0,
    elu: float = 0.0,
) -> Any:
    """BPR-max, the weighted mean over places, in float32.

    With `w = softmax(negative)`:

        -ln(sum_n w_n s(positive - negative_n) + 1e-24)
            + regularization * sum_n w_n negative_n^2

    Args:
        positive: scores of the next items, `[...]`.
        negative: scores of the sample, `[..., n]`.
        weights: 1 where there is a next item, else 0, `[...]`.
        takes_part: bool, broadcast to `[..., n]`: false of negatives to leave out;
            None keeps all.
        regularization: keeps the scores of likely negatives small.
        elu: `e > 0` puts `ELU_e(score)` in the place of each score.

    Returns:
        A scalar, 0 where there is no next item at all.

    References:
        Hidasi and Karatzoglou, Recurrent Neural Networks with Top-k Gains, CIKM 2018;
        hidasib/GRU4Rec_PyTorch_Official.
    """
    positive = ops.cast(positive, "float32")
    negative = ops.cast(negative, "float32")
    if elu > 0:
        positive = ops.elu(positive, alpha=elu)
        negative = ops.elu(negative, alpha=elu)
    shown = negative if takes_part is None else ops.where(takes_part, negative, _LOWEST)
    likely = ops.exp(shown - ops.logsumexp(shown, axis=-1, keepdims=True))
    above = ops.sigmoid(ops.expand_dims(positive, -1) - negative)
    losses = -ops.log(ops.sum(likely * above, axis=-1) + _TINY)
    losses = losses + regularization * ops.sum(likely * negative**2, axis=-1)
    return weighted_mean(ops.reshape(losses, (-1,)), ops.reshape(weights, (-1,)))
