"""A logit of two vectors and of their products."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class BilinearFusion(keras.layers.Layer):
    """`b_x + w_x . x + b_y + w_y . y + sum_h x_h^T W_h y_h`, in float32.

    Both vectors are cut into `heads` pieces; piece `h` of one meets piece `h` of the
    other alone, so `W` has `heads` times fewer weights than a full bilinear form.

    Args:
        heads: pieces; they must divide both widths.
        dtype: dtype of the computation.

    Input shape:
        A list `[batch, N]`, `[batch, M]`.

    Output shape:
        `[batch, 1]`.

    Raises:
        ValueError: `heads` is below 1 or does not divide a width.

    References:
        Mao et al., FinalMLP, AAAI 2023 (arXiv 2304.00902).
    """

    def __init__(self, heads: int = 1, dtype: Any = "float32", **kwargs: Any) -> None:
        super().__init__(dtype=dtype, **kwargs)
        if heads < 1:
            raise ValueError(f"`heads` must be at least 1. Received: {heads}")
        self.heads = heads
        self.linear_x, self.linear_y = (
            keras.layers.Dense(
                1,
                kernel_initializer="glorot_normal",
                dtype=self.dtype_policy,
                name=name,
            )
            for name in ("linear_x", "linear_y")
        )

    def build(self, input_shape: Any) -> None:
        """Makes both linear maps and `W`, `[heads * N/heads * M/heads, 1]`."""
        widths = [shape[-1] for shape in input_shape]
        if any(width % self.heads for width in widths):
            raise ValueError(
                f"`heads` must divide both widths. Received: {self.heads} heads, "
                f"widths {widths[0]} and {widths[1]}"
            )
        self.pieces = [width // self.heads for width in widths]
        self.linear_x.build(input_shape[0])
        self.linear_y.build(input_shape[1])
        # One column: published runs start it by the fans of this shape.
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.heads * self.pieces[0] * self.pieces[1], 1),
            initializer="glorot_normal",
        )

    def call(self, inputs: Any) -> Any:
        """Adds both linear maps and the bilinear forms of all heads."""
        x, y = inputs
        n, m = self.pieces
        kernel = ops.reshape(self.kernel, (self.heads, n, m))
        mapped = ops.einsum(
            "bhn,hnm->bhm", ops.reshape(x, (-1, self.heads, n)), kernel
        )  # [B, heads, m]
        products = mapped * ops.reshape(y, (-1, self.heads, m))
        bilinear = ops.expand_dims(ops.sum(products, axis=(1, 2)), -1)  # [B, 1]
        return self.linear_x(x) + self.linear_y(y) + bilinear

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """`[batch, 1]`."""
        return (input_shape[0][0], 1)

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "heads": self.heads}
