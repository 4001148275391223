"""The compressed interaction network of xDeepFM."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class CompressedInteraction(keras.layers.Layer):
    """Feature maps that cross the fields once more a layer, each summed over `D`.

    With `X^0` the embeddings and `units[k - 1]` maps in layer `k`:

    `X^k_h = sum_{i,j} W^k_{ijh} X^{k-1}_i * X^0_j + b^k_h`, and `p^k_h = sum_d
    X^k_{hd}`.

    There is no activation. The last layer's maps serve their sums alone, and `sum_d`
    goes before `W`, which leaves `D` times less to multiply. Kernels and biases start
    uniform within `1 / sqrt(H_{k-1} F)`, as a convolution's do in FuxiCTR.

    Args:
        units: maps a layer, `H_1 .. H_n`.

    Input shape:
        `[batch, F, D]`.

    Output shape:
        `[batch, H_1 + .. + H_n]`.

    Raises:
        ValueError: no units, or units that are not positive.

    References:
        Lian et al., xDeepFM, KDD 2018 (arXiv 1803.05170), section 3.1; without the
        activation, as in FuxiCTR.
    """

    def __init__(self, units: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not units or min(units) < 1:
            raise ValueError(
                "`units` must hold at least one number, all positive. Received: "
                f"{units}"
            )
        self.units = tuple(units)

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Makes a kernel, `[H_{k-1} * F, H_k]`, and a bias a layer."""
        fields = input_shape[1]
        self.steps = []
        for n, (before, after) in enumerate(
            zip((fields, *self.units[:-1]), self.units, strict=True)
        ):
            limit = (before * fields) ** -0.5
            initializer = keras.initializers.RandomUniform(-limit, limit)
            self.steps.append(
                (
                    self.add_weight(
                        name=f"kernel_{n}",
                        shape=(before * fields, after),
                        initializer=initializer.clone(),
                    ),
                    self.add_weight(
                        name=f"bias_{n}",
                        shape=(after,),
                        initializer=initializer.clone(),
                    ),
                )
            )

    def call(self, inputs: Any) -> Any:
        """Keeps `D` before the maps, so that a layer is one matmul."""
        fields, width = inputs.shape[1:]
        x0 = ops.transpose(inputs, (0, 2, 1))  # [B, D, F]
        maps = x0
        sums = []
        for kernel, bias in self.steps[:-1]:
            pairs = ops.expand_dims(maps, -1) * ops.expand_dims(x0, -2)
            pairs = ops.reshape(pairs, (-1, maps.shape[-1] * fields))  # [B D, H F]
            maps = ops.reshape(
                ops.matmul(pairs, kernel) + bias, (-1, width, kernel.shape[-1])
            )  # [B, D, H']
            sums.append(ops.sum(maps, axis=1))
        kernel, bias = self.steps[-1]
        pairs = ops.matmul(ops.transpose(maps, (0, 2, 1)), x0)  # [B, H, F]
        pairs = ops.reshape(pairs, (-1, maps.shape[-1] * fields))
        sums.append(ops.matmul(pairs, kernel) + width * bias)  # [B, H_n]
        return sums[0] if len(sums) == 1 else ops.concatenate(sums, axis=-1)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, int]:
        """`[batch, H_1 + .. + H_n]`."""
        return (input_shape[0], sum(self.units))

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "units": list(self.units)}
