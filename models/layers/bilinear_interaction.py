"""Bilinear products of all pairs of fields."""

from typing import Any, Literal

import keras
from keras import ops

from clickwright.models.layers import pairs


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

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Makes the matrices."""
        pairs.check_pairs("BilinearInteraction", input_shape)
        _, fields, width = input_shape
        self.left, self.right = pairs.pair_indices(fields)
        count = {"all": (), "each": (fields,), "interaction": (len(self.left),)}
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*count[self.kernels], width, width),
            initializer=keras.initializers.RandomNormal(stddev=width**-0.5),
        )

    def call(self, inputs: Any) -> Any:
        """Multiplies each field once where its pairs share the product."""
        if self.kernels == "interaction":
            left, right = pairs.pair_embeddings(inputs)  # [P, B, D]
            products = ops.matmul(left, self.kernel) * right
            return ops.transpose(products, (1, 0, 2))
        fields, width = inputs.shape[1:]
        if self.kernels == "each":
            turned = ops.einsum("bfd,fde->bfe", inputs, self.kernel)
        else:
            flat = ops.matmul(ops.reshape(inputs, (-1, width)), self.kernel)
            turned = ops.reshape(flat, (-1, fields, width))  # [B, F, D]
        return ops.take(turned, self.left, axis=1) * ops.take(
            inputs, self.right, axis=1
        )

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """`[batch, F (F - 1) / 2, D]`."""
        return (input_shape[0], pairs.pair_count(input_shape), input_shape[2])

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "kernels": self.kernels}
