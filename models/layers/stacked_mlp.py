"""Several dense towers of one shape, computed together."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.layers.batch_norm import normalized_by_batch
from clickwright.models.layers.dropout import Dropout


@keras.saving.register_keras_serializable(package="clickwright")
class StackedMLP(keras.layers.Layer):
    """`copies` towers like `MLP` on one input, each with weights of its own.

    Weights of a layer are stacked, so that one batched product serves all copies.
    Copies share nothing: each has its own statistics of batch normalization (as
    `BatchNorm`'s, in float32) and its own dropout mask, and kernels start
    Glorot-normal by the shape of one copy.

    Args:
        copies: towers, `S`.
        units: widths `h_1 .. h_n` of the layers.
        activation: activation of every layer.
        batch_norm: whether layers are batch-normalized.
        dropout: share of the activations dropped in training.

    Input shape:
        `[batch, N]`.

    Output shape:
        `[batch, S, h_n]`.

    Raises:
        ValueError: `copies` is below 1, or there are no `units`.
    """

    def __init__(
        self,
        copies: int,
        units: Sequence[int],
        activation: str = "relu",
        batch_norm: bool = True,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if copies < 1:
            raise ValueError(f"`copies` must be at least 1. Received: {copies}")
        if not units:
            raise ValueError("`units` must hold at least one width. Received: none")
        self.copies = copies
        self.units = tuple(units)
        self.activation = activation
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.drops = [
            Dropout(dropout, dtype=self.dtype_policy, name=f"drop_{n}")
            for n in range(len(self.units))
        ]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes a kernel, `[S, h_{n-1}, h_n]`, a bias and a norm for each layer."""
        self.kernels, self.biases = [], []
        self.gammas, self.betas, self.means, self.variances = [], [], [], []
        before: Any = input_shape[-1]
        for n, width in enumerate(self.units):
            self.kernels.append(
                self.add_weight(
                    name=f"kernel_{n}",
                    shape=(self.copies, before, width),
                    initializer=keras.initializers.RandomNormal(
                        stddev=(2.0 / (before + width)) ** 0.5
                    ),
                )
            )
            self.biases.append(self._vector(f"bias_{n}", width, "zeros"))
            if self.batch_norm:
                full = {"autocast": False}
                moving = {"autocast": False, "trainable": False}
                self.gammas.append(self._vector(f"gamma_{n}", width, "ones", **full))
                self.betas.append(self._vector(f"beta_{n}", width, "zeros", **full))
                self.means.append(self._vector(f"mean_{n}", width, "zeros", **moving))
                self.variances.append(
                    self._vector(f"variance_{n}", width, "ones", **moving)
                )
            before = width

    def _vector(self, name: str, width: int, initializer: str, **how: Any) -> Any:
        return self.add_weight(
            name=name, shape=(self.copies, width), initializer=initializer, **how
        )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Runs all copies, layer by layer."""
        activation = keras.activations.get(self.activation)
        x = ops.expand_dims(inputs, 0)  # [1, B, N]
        for n, drop in enumerate(self.drops):
            x = ops.matmul(x, self.kernels[n])  # [S, B, h]
            x = x + ops.expand_dims(self.biases[n], 1)
            if self.batch_norm:
                x = self._normalized(n, x, training)
            x = drop(activation(x), training=training)
        return ops.transpose(x, (1, 0, 2))  # [B, S, h_n]

    def _normalized(self, n: int, x: Any, training: bool | None) -> Any:
        gamma, beta = (ops.convert_to_tensor(v[n]) for v in (self.gammas, self.betas))
        x = ops.cast(x, "float32")
        if not (training and self.trainable):
            scale = gamma * ops.rsqrt(self.variances[n] + 1e-5)  # [S, h]
            shift = beta - self.means[n] * scale
            x = x * ops.expand_dims(scale, 1) + ops.expand_dims(shift, 1)
            return ops.cast(x, self.compute_dtype)
        copies = [
            normalized_by_batch(*copy)
            for copy in zip(
                *(ops.unstack(t, self.copies) for t in (x, gamma, beta)), strict=True
            )
        ]
        normalized, mean, variance = (
            ops.stack(values) for values in zip(*copies, strict=True)
        )
        for moving, batch in ((self.means[n], mean), (self.variances[n], variance)):
            moving.assign(0.9 * moving + 0.1 * batch)
        return ops.cast(normalized, self.compute_dtype)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """`[batch, S, h_n]`."""
        return (input_shape[0], self.copies, self.units[-1])

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "copies": self.copies,
            "units": list(self.units),
            "activation": self.activation,
            "batch_norm": self.batch_norm,
            "dropout": self.dropout,
        }
