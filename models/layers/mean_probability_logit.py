"""The logit of a mean of probabilities."""

from typing import Any

from keras import ops


def mean_probability_logit(logits: Any) -> Any:
    """`logit(mean_k sigmoid(z_k))` without a probability that rounds to 0 or 1.

    `log sum_k sigmoid(z_k) - log sum_k sigmoid(-z_k)`: the `1 / K` of both means
    cancels.

    Args:
        logits: `[batch, K]`, float32.

    Returns:
        `[batch]`.
    """
    yes = ops.logsumexp(ops.log_sigmoid(logits), axis=-1)
    no = ops.logsumexp(ops.log_sigmoid(-logits), axis=-1)
    return yes - no
