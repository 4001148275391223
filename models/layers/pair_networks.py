"""A small network of its own for each pair of fields."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.layers.pairs import (
    check_pairs,
    glorot_normal_each,
    pair_count,
    pair_embeddings,
)

_EPSILON = 1e-5


@keras.saving.register_keras_serializable(package="clickwright")
class PairNetworks(keras.layers.Layer):
    """Dense layers on `[e_i, e_j, e_i * e_j]`, with other weights for each pair.

    Layer norm is fused: an example is normalized over all its pairs and units
    together, in float32, with one scale and shift a unit that all pairs share. The
    activation follows every layer but the last. All pairs run in one batched product.

    Args:
        units: widths `h_1 .. h_n` of the layers.
        product: whether the networks see `e_i * e_j` besides the two embeddings.
        layer_norm: whether layers are normalized.
        activation: activation of every layer but the last.

    Input shape:
        `[batch, F, D]`.

    Output shape:
        `[batch, F (F - 1) / 2 * h_n]`, all values of the first pair first.

    Example:

    >>> tuple(PairNetworks((20, 1))(np.zeros((8, 10, 4), "float32")).shape)
    (8, 45)

    Raises:
        ValueError: no units, or fewer than two fields.

    References:
        Qu et al., Product-based Neural Networks for User Response Prediction over
        Multi-field Categorical Data, TOIS 2018 (arXiv 1807.00311), PIN.
    """

    def __init__(
        self,
        units: Sequence[int] = (20, 1),
        product: bool = True,
        layer_norm: bool = True,
        activation: str = "relu",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not units or min(units) < 1:
            raise ValueError(f"`units` must be positive widths. Received: {units}")
        self.units = tuple(units)
        self.product = product
        self.layer_norm = layer_norm
        self.activation = activation

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes kernels, `[P, h_{l-1}, h_l]`, and biases, `[P, 1, h_l]`."""
        check_pairs("PairNetworks", input_shape)
        pairs = pair_count(input_shape)
        width = (3 if self.product else 2) * (input_shape[2] or 0)
        self.kernels, self.biases, self.scales, self.shifts = [], [], [], []
        for n, units in enumerate(self.units):
            self.kernels.append(
                self.add_weight(
                    name=f"kernel_{n}",
                    shape=(pairs, width, units),
                    initializer=glorot_normal_each(pairs),
                )
            )
            self.biases.append(
                self.add_weight(
                    name=f"bias_{n}", shape=(pairs, 1, units), initializer="zeros"
                )
            )
            if self.layer_norm:
                self.scales.append(
                    self.add_weight(
                        name=f"scale_{n}",
                        shape=(units,),
                        initializer="ones",
                        autocast=False,
                    )
                )
                self.shifts.append(
                    self.add_weight(
                        name=f"shift_{n}",
                        shape=(units,),
                        initializer="zeros",
                        autocast=False,
                    )
                )
            width = units

    def call(self, inputs: Any) -> Any:
        """Runs the layers of all pairs, each layer in one product."""
        left, right = pair_embeddings(inputs)  # [P, B, D]
        parts = [left, right, left * right] if self.product else [left, right]
        x = ops.concatenate(parts, axis=-1)  # [P, B, 3D]
        for n in range(len(self.units)):
            x = ops.matmul(x, self.kernels[n]) + self.biases[n]  # [P, B, h]
            if self.layer_norm:
                x = self._normalized(x, n)
            if n + 1 < len(self.units):
                x = keras.activations.get(self.activation)(x)
        x = ops.transpose(x, (1, 0, 2))  # [B, P, h_n]
        return ops.reshape(x, (-1, x.shape[1] * x.shape[2]))

    def _normalized(self, x: Any, n: int) -> Any:
        x = ops.cast(x, "float32")
        mean, variance = ops.moments(x, axes=(0, 2), keepdims=True)  # [1, B, 1]
        x = (x - mean) * ops.rsqrt(variance + _EPSILON) * self.scales[n]
        return ops.cast(x + self.shifts[n], self.compute_dtype)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, int]:
        """`[batch, P * h_n]`."""
        return (input_shape[0], pair_count(input_shape) * self.units[-1])

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "units": list(self.units),
            "product": self.product,
            "layer_norm": self.layer_norm,
            "activation": self.activation,
        }
