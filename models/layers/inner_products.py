"""Inner products of all pairs of fields."""

from typing import Any

import keras

from clickwright.models.layers.pairs import check_pairs, inner_products, pair_count


@keras.saving.register_keras_serializable(package="clickwright")
class InnerProducts(keras.layers.Layer):
    """`<e_i, e_j>` for each pair `i < j`, the pairs of the first field first.

    Input shape:
        `[batch, F, D]`.

    Output shape:
        `[batch, F (F - 1) / 2]`.

    Example:

    >>> InnerProducts()(np.array([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]])).numpy()
    array([[11., 17., 39.]], dtype=float32)

    Raises:
        ValueError: fewer than two fields.

    References:
        Qu et al., Product-based Neural Networks for User Response Prediction,
        ICDM 2016 (arXiv 1611.00144).
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Checks the shape."""
        check_pairs("InnerProducts", input_shape)

    def call(self, inputs: Any) -> Any:
        """Multiplies all with all and keeps each pair once."""
        return inner_products(inputs)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, int]:
        """`[batch, F (F - 1) / 2]`."""
        return (input_shape[0], pair_count(input_shape))
