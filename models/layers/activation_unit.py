"""DIN's attention: a small network that weighs a history by a target."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from clickwright.models.layers.dice import Dice
from clickwright.models.layers.dropout import Dropout
from clickwright.models.layers.sparse_target_attention import (
    same_width,
    weighted_sum,
)

_MASKED = -1e9


@keras.saving.register_keras_serializable(package="clickwright")
class ActivationUnit(keras.layers.Layer):
    """`u = sum_l a_l s_l`, `a_l` a network's answer to target and event.

    The network reads `[t ; s_l ; t - s_l ; t * s_l]` and ends in one number. Without
    `softmax` that number is the weight, and padding weighs 0: the sum grows with the
    interest. With it, `a = softmax(number / sqrt(d))` over the events that are not
    padding. A history without events gives zeros either way.

    The first kernel meets target and history each on their own and only their product
    together, which gives the same numbers as the concatenation would. Padding does
    not count for the statistics of `dice`. A history of batch 1 serves all targets.

    Args:
        units: widths of the hidden layers, one or more.
        activation: their activation; `dice`, or one of Keras'.
        softmax: whether weights are made to sum to 1.
        dropout: share of the hidden activations dropped in training.

    Input shape:
        Dict of `target`, `[batch, d]`, `history`, `[batch or 1, L, d]`, and `mask`,
        `[batch or 1, L]`, 1 at events and 0 at padding.

    Output shape:
        `[batch, d]`.

    Raises:
        ValueError: there are no hidden layers, or target and history differ in width.

    References:
        Zhou et al., Deep Interest Network, KDD 2018, section 4.3. The order of the
        inputs is FuxiCTR's; the softmax that of the authors' code.
    """

    mixes_batches: ClassVar[bool] = True

    def __init__(
        self,
        units: Sequence[int],
        activation: str = "relu",
        softmax: bool = False,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not units:
            raise ValueError("`units` must hold at least one width. Received: none.")
        self.units = tuple(units)
        self.activation = activation
        self.softmax = softmax
        self.dropout = dropout
        policy = self.dtype_policy
        self.denses = [
            keras.layers.Dense(
                width,
                kernel_initializer="glorot_normal",
                dtype=policy,
                name=f"dense_{n}",
            )
            for n, width in enumerate(self.units)
            if n > 0
        ]
        self.activations: list[Any] = [
            Dice(dtype=policy, name=f"act_{n}")
            if activation == "dice"
            else keras.layers.Activation(activation, dtype=policy, name=f"act_{n}")
            for n in range(len(self.units))
        ]
        self.drop = Dropout(dropout, dtype=policy, name="drop")
        self.score = keras.layers.Dense(
            1, kernel_initializer="glorot_normal", dtype="float32", name="score"
        )

    def build(self, input_shape: Mapping[str, tuple[int | None, ...]]) -> None:
        """Makes the first layer, `[4 d, h_1]`, and builds the others."""
        width = same_width(input_shape)
        self.kernel = self.add_weight(
            name="kernel", shape=(4 * width, self.units[0]), initializer="glorot_normal"
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.units[0],), initializer="zeros"
        )
        shape = (*input_shape["history"][:2], self.units[0])
        self.activations[0].build(shape)
        for dense, activation in zip(self.denses, self.activations[1:], strict=True):
            dense.build(shape)
            shape = (*shape[:2], dense.units)
            activation.build(shape)
        self.score.build(shape)

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        """Weighs the events and adds them up."""
        target, history, mask = inputs["target"], inputs["history"], inputs["mask"]
        of_target, of_event, of_difference, of_product = ops.split(self.kernel, 4)
        column = ops.expand_dims(target, 1)  # [B, 1, d]
        x = (
            ops.matmul(column, of_target + of_difference)
            + ops.matmul(history, of_event - of_difference)
            + ops.matmul(column * history, of_product)
            + self.bias
        )  # [B, L, h]
        x = self._activated(0, x, mask, training)
        for n, dense in enumerate(self.denses, 1):
            x = self._activated(n, dense(x), mask, training)
        weights = self._weights(ops.squeeze(self.score(x), -1), mask, target.shape[-1])
        return weighted_sum(ops.cast(weights, history.dtype), history)

    def _activated(self, n: int, x: Any, mask: Any, training: bool | None) -> Any:
        if self.activation == "dice":
            counted = ops.cast(mask, "bool")
            x = self.activations[n](x, training=training, counted=counted)
        else:
            x = self.activations[n](x)
        return self.drop(x, training=training)

    def _weights(self, scores: Any, mask: Any, width: int) -> Any:
        mask = ops.cast(mask, "float32")
        if self.softmax:
            scores = ops.where(mask > 0, scores / math.sqrt(width), _MASKED)
            scores = ops.softmax(scores, axis=-1)
        # Where all is padding the softmax is uniform, and this makes it zeros.
        return scores * mask  # [B, L]

    def compute_output_shape(
        self, input_shape: Mapping[str, tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """`[batch, d]`."""
        return tuple(input_shape["target"])

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "units": list(self.units),
            "activation": self.activation,
            "softmax": self.softmax,
            "dropout": self.dropout,
        }
