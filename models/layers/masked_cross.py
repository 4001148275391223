"""A cross layer that masks half of its projection by the other half."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.layers.batch_norm import BatchNorm
from clickwright.models.layers.dropout import Dropout


@keras.saving.register_keras_serializable(package="clickwright")
class MaskedCross(keras.layers.Layer):
    """`dropout(c * ([p ; p * relu(LN(p))] + b) + x)`, with `p = BN(x W)`.

    With `c = x` the order of interactions doubles from layer to layer (exponential
    cross); with `c` the first input of the network it grows by one (linear cross).
    `W` maps `n` to `n / 2` values and is shared by all heads; batch normalization has
    one channel a head. `b` starts uniform between 0 and 1.

    Args:
        batch_norm: whether the projection is batch-normalized.
        layer_norm: whether the mask sees a layer-normalized projection.
        dropout: share of the output dropped in training.

    Input shape:
        A list `c`, `x`, both `[batch, H, n]`, `n` even.

    Output shape:
        `[batch, H, n]`.

    Raises:
        ValueError: `n` is odd.

    References:
        Li et al., DCNv3 (arXiv 2407.13349).
    """

    def __init__(
        self,
        batch_norm: bool = True,
        layer_norm: bool = True,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.batch_norm = batch_norm
        self.layer_norm = layer_norm
        self.dropout = dropout
        policy = self.dtype_policy
        self.norm = BatchNorm(axis=1, dtype=policy, name="norm") if batch_norm else None
        self.mask_norm = (
            keras.layers.LayerNormalization(
                epsilon=1e-5, dtype=policy, name="mask_norm"
            )
            if layer_norm
            else None
        )
        self.drop = Dropout(dropout, dtype=policy, name="drop")

    def build(self, input_shape: Sequence[tuple[int | None, ...]]) -> None:
        """Makes the projection, its norms and the bias."""
        shape: Any = input_shape[1]
        width = shape[-1]
        if width % 2:
            raise ValueError(f"`x` must have an even width. Received: {width}")
        self.project = keras.layers.Dense(
            width // 2,
            use_bias=False,
            kernel_initializer="glorot_normal",
            dtype=self.dtype_policy,
            name="project",
        )
        self.project.build(shape)
        half = (*shape[:-1], width // 2)
        for norm in (self.norm, self.mask_norm):
            if norm is not None:
                norm.build(half)
        self.bias = self.add_weight(
            name="bias",
            shape=(width,),
            initializer=keras.initializers.RandomUniform(0.0, 1.0),
        )

    def call(self, inputs: Sequence[Any], training: bool | None = None) -> Any:
        """Projects, masks and crosses."""
        base, x = inputs
        projected = self.project(x)  # [B, H, n / 2]
        if self.norm is not None:
            projected = self.norm(projected, training=training)
        seen = projected if self.mask_norm is None else self.mask_norm(projected)
        crossed = ops.concatenate([projected, projected * ops.relu(seen)], axis=-1)
        return self.drop(base * (crossed + self.bias) + x, training=training)

    def compute_output_shape(
        self, input_shape: Sequence[tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """`[batch, H, n]`."""
        return tuple(input_shape[1])

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "batch_norm": self.batch_norm,
            "layer_norm": self.layer_norm,
            "dropout": self.dropout,
        }
