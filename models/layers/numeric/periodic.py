"""Sines and cosines of learned frequencies."""

from typing import Any

import keras
import numpy as np
from keras import ops

from clickwright.models.layers.numeric.numeric_encoder import NumericEncoder, times


@keras.saving.register_keras_serializable(package="clickwright")
class Periodic(NumericEncoder):
    """`relu([sin(2 pi c x), cos(2 pi c x)] W + b)`, all of the field's own.

    `c` are `k` learned frequencies, normal with deviation `sigma` at the start; `W` is
    `[2k, D]`. With the embeddings of missing values, `F (k + 2 k D + 2 D)` parameters.
    Phases are float32.

    Args:
        names: see `NumericEncoder`, as all arguments.

    Input shape:
        `[batch, F]`, NaN where a value is missing.

    Output shape:
        `[batch, F, width]`.

    Raises:
        ValueError: there are no fields, or encodings that do not belong together.

    References:
        Gorishniy et al., On Embeddings for Numerical Features in Tabular Deep
        Learning, NeurIPS 2022 (arXiv 2203.05556), the embedding `PLR`.
    """

    kind = "periodic"
    per_field = frozenset({"sigma"})

    def build(self, input_shape: Any) -> None:
        """Makes frequencies, kernels and biases."""
        super().build(input_shape)
        fields, k = len(self.names), self.encodings[0].frequencies
        sigmas = np.array([[e.sigma] for e in self.encodings])  # [F, 1]
        self.frequencies = self.add_weight(
            name="frequencies",
            shape=(fields, k),
            initializer=times(keras.initializers.RandomNormal(stddev=1.0), sigmas),
            autocast=False,
        )
        self.kernel = self.add_embeddings("kernel", (fields, 2 * k, self.width))
        self.bias = self.add_weight(
            name="bias",
            shape=(fields, self.width),
            initializer="zeros",
            autocast=False,
        )

    def encode(self, x: Any, training: bool | None) -> Any:
        """Waves, a dense layer, ReLU."""
        turns = self.by_field(x) * ops.expand_dims(self.frequencies, 1)  # [F, B, k]
        phases = (2.0 * np.pi) * turns
        waves = ops.concatenate([ops.sin(phases), ops.cos(phases)], axis=-1)
        mixed = self.mix(waves, self.kernel)  # [B, F, D]
        return ops.relu(mixed + ops.cast(self.bias, mixed.dtype))
