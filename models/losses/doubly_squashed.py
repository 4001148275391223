"""The pairwise loss of S3Rec's pre-training."""

from typing import Any

from keras import ops


def doubly_squashed(positive: Any, negative: Any) -> Any:
    """`-ln s(s(positive) - s(negative))`, which never falls under `ln(1 + 1/e)`.

    That the logits pass a sigmoid before their difference passes another is what the
    authors' code does, and what their figures come from.

    Args:
        positive: logits, of any shape.
        negative: logits, of the same shape.

    Returns:
        The losses, in that shape.

    References:
        Zhou et al., S3-Rec, CIKM 2020; RUCAIBox/CIKM2020-S3Rec.
    """
    return ops.softplus(ops.sigmoid(negative) - ops.sigmoid(positive))
