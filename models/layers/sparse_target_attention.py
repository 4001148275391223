"""Attention of a target over a history whose weights may be exactly zero."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class SparseTargetAttention(keras.layers.Layer):
    """Adaptive sparse target attention: rectified scores, and no softmax.

    With a target `t`, a history `S` of `L` places and its mask `m`:

        `a_l = relu(m_l * (t W_q . S_l W_k) / sqrt(A))`
        `o = sum_l a_l (S_l W_v) W_o + t`

    A place may weigh exactly nothing, and the weights need not sum to 1, so that the
    strength of an interest is kept. Without a history `o` is `t`. Places have no
    order: permuting them changes nothing.

    Keys and values are never made: `t W_q W_k'` meets the history as it is, and the
    weighted sum of the history goes through `W_v W_o`. That is the same function of
    the same weights, with `L` times fewer products, and nothing of `[batch, L, A]` to
    keep for the gradient.

    A history of batch 1 serves all targets.

    Args:
        units: width `A` of queries, keys and values.

    Input shape:
        Dict of `target` `[batch, d]`, `history` `[batch or 1, L, d]` and `mask`
        `[batch or 1, L]`, 1 at the places that count and 0 at padding.

    Output shape:
        `[batch, d]`.

    Raises:
        ValueError: `units` is not positive, or target and history differ in width.

    References:
        Li et al., Quadratic Interest Network for Multimodal Click-Through Rate
        Prediction, WWW 2025 (arXiv 2504.15699).
    """

    mixes_batches: ClassVar[bool] = True

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"`units` must be at least 1. Received: {units}")
        self.units = units

    def build(self, input_shape: Mapping[str, tuple[int | None, ...]]) -> None:
        """Makes the four projections, without biases."""
        width = same_width(input_shape)
        shapes = {
            "query": (width, self.units),
            "key": (width, self.units),
            "value": (width, self.units),
            "output": (self.units, width),
        }
        self.query, self.key, self.value, self.project = (
            self.add_weight(name=name, shape=shape, initializer="glorot_normal")
            for name, shape in shapes.items()
        )

    def call(self, inputs: Mapping[str, Any]) -> Any:
        """Weighs the history and adds its projected sum to the target."""
        pooled = weighted_sum(self.weigh(inputs), inputs["history"])  # [B, d]
        values = ops.matmul(pooled, self.value)  # [B, A]
        return ops.matmul(values, self.project) + inputs["target"]

    def weigh(self, inputs: Mapping[str, Any]) -> Any:
        """The weights of the places, `[batch, L]`, zero or more."""
        query = ops.matmul(inputs["target"], self.query)  # [B, A]
        query = ops.matmul(query, ops.transpose(self.key)) / math.sqrt(self.units)
        scores = dot_places(query, inputs["history"])  # [B, L]
        return ops.relu(scores * ops.cast(inputs["mask"], scores.dtype))

    def compute_output_shape(
        self, input_shape: Mapping[str, tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """`[batch, d]`."""
        return tuple(input_shape["target"])

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "units": self.units}


def same_width(input_shape: Mapping[str, tuple[int | None, ...]]) -> int:
    """The width that target and history have in common.

    Raises:
        ValueError: they differ in it, or it is not known.
    """
    target, history = input_shape["target"][-1], input_shape["history"][-1]
    if target is None or target != history:
        raise ValueError(
            "`target` and `history` must have the same width. Received: "
            f"{target} and {history}"
        )
    return target


def dot_places(x: Any, history: Any) -> Any:
    """Products of `x` `[batch, d]` with each place of a history `[batch or 1, L, d]`.

    Returns:
        `[batch, L]`; by one matrix product where the history's batch is known to be 1.
    """
    if history.shape[0] == 1:
        return ops.matmul(x, ops.transpose(history[0]))
    return ops.squeeze(ops.matmul(history, ops.expand_dims(x, -1)), -1)


def weighted_sum(weights: Any, history: Any) -> Any:
    """Sums of the places of a history `[batch or 1, L, d]`, weighted by `[batch, L]`.

    Returns:
        `[batch, d]`; by one matrix product where the history's batch is known to be 1.
    """
    if history.shape[0] == 1:
        return ops.matmul(weights, history[0])
    return ops.squeeze(ops.matmul(ops.expand_dims(weights, 1), history), 1)
