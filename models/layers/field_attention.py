"""Self-attention over the fields of a row."""

from typing import Any

import keras
from keras import ops

from clickwright.models.layers.dropout import Dropout


@keras.saving.register_keras_serializable(package="clickwright")
class FieldAttention(keras.layers.Layer):
    """Multi-head self-attention over fields, as a layer of AutoInt has it.

    With `X` the fields and `h` heads of width `d = units / heads`:

    `A_k = softmax(X Q_k (X K_k)^T / sqrt(d))` and `output = relu(norm([A_1 X V_1 ; ..
    ; A_h X V_h] + X R))`.

    The quotient, the residual and the norm can be left out. Without biases; `R` is
    the identity where `D` equals `units`. The softmax runs in float32. `Q`, `K`, `V`
    and `R` stand side by side in one kernel and start Glorot-normal, each by its own
    shape.

    Args:
        units: width of the output, of all heads together.
        heads: attention heads.
        use_residual: whether the fields are added to what the heads give.
        use_scale: whether scores are divided by `sqrt(d)`.
        layer_norm: whether the sum is layer-normalized (epsilon 1e-5).
        dropout: share of the attention weights dropped in training.

    Input shape:
        `[batch, F, D]`.

    Output shape:
        `[batch, F, units]`.

    Raises:
        ValueError: `units` is not a positive multiple of `heads`.

    References:
        Song et al., AutoInt, CIKM 2019 (arXiv 1810.11921), section 4.3. The norm and
        the quotient are FuxiCTR's.
    """

    def __init__(
        self,
        units: int,
        heads: int = 1,
        use_residual: bool = True,
        use_scale: bool = False,
        layer_norm: bool = False,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if units < 1 or heads < 1 or units % heads:
            raise ValueError(
                "`units` must be a positive multiple of `heads`. Received: "
                f"units={units}, heads={heads}"
            )
        self.units = units
        self.heads = heads
        self.use_residual = use_residual
        self.use_scale = use_scale
        self.layer_norm = layer_norm
        self.dropout = dropout
        self.norm = (
            keras.layers.LayerNormalization(
                epsilon=1e-5, dtype=self.dtype_policy, name="norm"
            )
            if layer_norm
            else None
        )
        self.drop = (
            Dropout(dropout, dtype=self.dtype_policy, name="drop")
            if dropout > 0.0
            else None
        )

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Makes the kernel, `[D, 3 * units]`, or `[D, 4 * units]` with `R`."""
        width = input_shape[-1]
        self.projects_residual = self.use_residual and width != self.units
        self.kernel = self.add_weight(
            name="kernel",
            shape=(width, (4 if self.projects_residual else 3) * self.units),
            initializer=keras.initializers.RandomNormal(
                stddev=(2.0 / (width + self.units)) ** 0.5
            ),
        )
        if self.norm is not None:
            self.norm.build((*input_shape[:-1], self.units))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Projects all fields of all rows by one matmul."""
        fields, width = inputs.shape[1:]
        projected = ops.matmul(ops.reshape(inputs, (-1, width)), self.kernel)
        residual = inputs
        if self.projects_residual:
            projected, residual = ops.split(projected, [3 * self.units], axis=1)
            residual = ops.reshape(residual, (-1, fields, self.units))
        by_head = ops.transpose(
            ops.reshape(
                projected, (-1, fields, 3, self.heads, self.units // self.heads)
            ),
            (2, 0, 3, 1, 4),
        )  # [3, B, h, F, d]
        query, key, value = ops.unstack(by_head, 3, axis=0)
        scores = ops.cast(
            ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))), "float32"
        )  # [B, h, F, F]
        if self.use_scale:
            scores = scores * (self.units // self.heads) ** -0.5
        shares = ops.cast(ops.softmax(scores), self.compute_dtype)
        if self.drop is not None:
            shares = self.drop(shares, training=training)
        output = ops.reshape(
            ops.transpose(ops.matmul(shares, value), (0, 2, 1, 3)),
            (-1, fields, self.units),
        )  # [B, F, units]
        if self.use_residual:
            output = output + residual
        if self.norm is not None:
            output = self.norm(output)
        return ops.relu(output)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """`[batch, F, units]`."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "heads": self.heads,
            "use_residual": self.use_residual,
            "use_scale": self.use_scale,
            "layer_norm": self.layer_norm,
            "dropout": self.dropout,
        }
