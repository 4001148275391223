"""Telling which attributes an item has."""

from typing import Any

from keras import ops


def attribute_cross_entropy(logits: Any, attributes: Any) -> Any:
    """Binary cross-entropies, summed over all attributes that there are.

    `sum_a ln(1 + e^z_a) - sum_{a in item} z_a`, which needs no matrix of zeros and
    ones. Attribute 0 is padding and is no attribute.

    Args:
        logits: of all attributes, `[..., A]`.
        attributes: those that the item has, each once, padded with 0, `[..., n]`.

    Returns:
        The losses, `[...]`.
    """
    every = ops.sum(ops.softplus(logits[..., 1:]), axis=-1)
    own = ops.take_along_axis(logits, attributes, axis=-1)  # [..., n]
    real = ops.cast(ops.not_equal(attributes, 0), logits.dtype)
    return every - ops.sum(own * real, axis=-1)
