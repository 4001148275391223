"""Bilinear products of all pairs of fields."""

from typing import Any, Literal

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class BilinearInteraction(keras.layers.Layer):
    """`p_ij = (e_i W) * e_j` for all pairs `i < j`, a vector of `D` values each.

    Pairs stand in the order (0, 1), (0, 2), .., (1, 2), .. . `W` is, by `kernels`,

    * `all`: one matrix, `[D, D]`;
    * `each`: one a left field, `[F, D, D]` (the last field's is never used);
    * `interaction`: one a pair, `[F (F - 1) / 2, D, D]`.

    Matrices start Glorot-normal, each by its own shape.

    Args:
        kernels: which fields share a matrix.

    Input shape:
        `[batch, F, D]`.

    Output shape:
        `[batch, F (F - 1) / 2, D]`.

    Raises:
        ValueError: `kernels` is unknown, or there are fewer than two fields.

    References:
        Huang et al., FiBiNET, RecSys 2019 (arXiv 1905.09433), section 3.4.
    """

    def __init__(
        self, kernels: Literal["all", "each", "interaction"] = "all", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if kernels not in ("all", "each", "interaction"):
            raise ValueError(
                f"`kernels` must be `all`, `each` or `interaction`. Received: {kernels}"
            )
        self.kernels = kernels

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the matrices."""
        _, fields, width = input_shape
        if fields < 2:
            raise ValueError(
                f"The input must have 2 fields or more. Received: {fields}"
            )
        self.left, self.right = np.triu_indices(fields, 1)
        count = {"all": (), "each": (fields,), "interaction": (len(self.left),)}
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*count[self.kernels], width, width),
            initializer=keras.initializers.RandomNormal(stddev=width**-0.5),
        )

    def call(self, inputs: Any) -> Any:
        """Multiplies each field once where its pairs share the product."""
        fields, width = inputs.shape[1:]
        if self.kernels == "all":
            flat = ops.matmul(ops.reshape(inputs, (-1, width)), self.kernel)
            turned = ops.reshape(flat, (-1, fields, width))  # [B, F, D]
        elif self.kernels == "each":
            turned = ops.einsum("bfd,fde->bfe", inputs, self.kernel)
        left = ops.take(
            inputs if self.kernels == "interaction" else turned, self.left, axis=1
        )  # [B, P, D]
        if self.kernels == "interaction":
            left = ops.einsum("bpd,pde->bpe", left, self.kernel)
        return left * ops.take(inputs, self.right, axis=1)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """`[batch, F (F - 1) / 2, D]`."""
        batch, fields, width = input_shape
        return (batch, fields * (fields - 1) // 2, width)

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "kernels": self.kernels}
