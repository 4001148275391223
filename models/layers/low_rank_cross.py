"""Cross layers of low rank, mixed from experts."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class LowRankCross(keras.layers.Layer):
    """Cross layers whose matrices are mixtures of experts of low rank.

    For `l = 1 .. layers`, with `x_0` the input and `K` experts of rank `r`:

    `x_l = x_0 * (sum_k g_k(x_{l-1}) U_lk tanh(C_lk tanh(V_lk x_{l-1})) + b_l) +
    x_{l-1}`,

    where the gates `g` are a softmax, in float32, of one linear map that all layers
    share. The bias stands outside the sum because the gates add up to 1. Matrices
    start Glorot-normal, each by its own shape, biases at zero.

    Args:
        layers: cross layers, `L`.
        rank: rank of an expert, `r`.
        experts: experts a layer, `K`.

    Input shape:
        `[batch, N]`.

    Output shape:
        `[batch, N]`.

    Raises:
        ValueError: `layers`, `rank` or `experts` is not positive.

    References:
        Wang et al., DCN V2, WWW 2021 (arXiv 2008.13535), section 3.3; gates shared by
        the layers as in FuxiCTR.
    """

    def __init__(
        self, layers: int, rank: int = 32, experts: int = 4, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        for name, value in (("layers", layers), ("rank", rank), ("experts", experts)):
            if value < 1:
                raise ValueError(f"`{name}` must be positive. Received: {value}")
        self.layers = layers
        self.rank = rank
        self.experts = experts

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Makes the gates and, for each layer, `V`, `C`, `U` and `b`."""
        width = input_shape[-1]
        inner = self.experts * self.rank
        narrow = keras.initializers.RandomNormal(
            stddev=(2.0 / (width + self.rank)) ** 0.5
        )
        square = keras.initializers.RandomNormal(stddev=self.rank**-0.5)
        self.gates = self.add_weight(
            name="gates",
            shape=(width, self.experts),
            initializer=keras.initializers.RandomNormal(
                stddev=(2.0 / (width + 1)) ** 0.5
            ),
        )
        self.steps = [
            (
                self.add_weight(
                    name=f"down_{n}", shape=(width, inner), initializer=narrow
                ),
                self.add_weight(
                    name=f"core_{n}",
                    shape=(self.experts, self.rank, self.rank),
                    initializer=square,
                ),
                self.add_weight(
                    name=f"up_{n}", shape=(inner, width), initializer=narrow
                ),
                self.add_weight(name=f"bias_{n}", shape=(width,), initializer="zeros"),
            )
            for n in range(self.layers)
        ]

    def call(self, inputs: Any) -> Any:
        """Weighs the experts while they are narrow, so that one matmul widens all."""
        x = inputs
        for down, core, up, bias in self.steps:
            logits = ops.cast(ops.matmul(x, self.gates), "float32")
            gates = ops.cast(ops.softmax(logits), self.compute_dtype)  # [B, K]
            low = ops.tanh(ops.matmul(x, down))  # [B, K r]
            low = ops.reshape(low, (-1, self.experts, self.rank))
            low = ops.tanh(ops.einsum("bkr,krs->bks", low, core))  # [B, K, r]
            low = low * ops.expand_dims(gates, -1)
            low = ops.reshape(low, (-1, self.experts * self.rank))
            x = inputs * (ops.matmul(low, up) + bias) + x  # [B, N]
        return x

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """`[batch, N]`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "layers": self.layers,
            "rank": self.rank,
            "experts": self.experts,
        }
