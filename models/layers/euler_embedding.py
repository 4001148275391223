"""Embeddings as complex numbers."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class EulerEmbedding(keras.layers.Layer):
    """`mu_f exp(i e)`: real part `mu_f cos(e)`, imaginary part `mu_f sin(e)`.

    The modulus `mu_f` is learned, one a field, from 1. In float32 unless told
    otherwise.

    Args:
        dtype: dtype of the computation.

    Input shape:
        `[batch, F, D]`.

    Output shape:
        A list of the real and the imaginary part, both `[batch, F, D]`.

    References:
        Tian et al., EulerNet, SIGIR 2023 (arXiv 2304.10711).
    """

    def __init__(self, dtype: Any = "float32", **kwargs: Any) -> None:
        super().__init__(dtype=dtype, **kwargs)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the moduli, `[F, 1]`."""
        self.modulus = self.add_weight(
            name="modulus", shape=(input_shape[1], 1), initializer="ones"
        )

    def call(self, inputs: Any) -> list[Any]:
        """Turns phases into numbers."""
        return [self.modulus * ops.cos(inputs), self.modulus * ops.sin(inputs)]

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> list[tuple[int | None, ...]]:
        """`[batch, F, D]`, twice."""
        return [tuple(input_shape), tuple(input_shape)]
