"""Dropout that costs little."""

from typing import Any

import keras
from keras import ops

_ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
if _ON_TENSORFLOW:
    import tensorflow as tf

_STEPS = 1 << 16
"""A mask is drawn from numbers of 16 bits, two out of each random number of 32."""


@keras.saving.register_keras_serializable(package="clickwright")
class Dropout(keras.layers.Layer):
    """Sets a share of the values to zero in training, and scales the rest up.

    On TensorFlow the share is rounded to a multiple of 2^-16, and the scale is that of
    the rounded share, so that the expectation stays exact: half as many random numbers
    are drawn as Keras' own layer draws. On other backends it is Keras' own.

    Args:
        rate: share of the values set to zero.

    Input shape:
        Any.

    Output shape:
        As the input.

    Raises:
        ValueError: the rate is not in `[0, 1)`.

    References:
        Srivastava et al., Dropout, JMLR 2014.
    """

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"`rate` must be in [0, 1). Received: {rate}")
        self.rate = rate
        self.supports_masking = True
        self.built = True
        if rate > 0.0:
            self.seed_generator = keras.random.SeedGenerator()

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Drops in training; else gives the input."""
        if not training or self.rate == 0.0:
            return inputs
        if not _ON_TENSORFLOW:
            return keras.random.dropout(inputs, self.rate, seed=self.seed_generator)
        return inputs * _scaled_mask(inputs, self.rate, self.seed_generator)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """That of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "rate": self.rate}


def _scaled_mask(inputs: Any, rate: float, seed: keras.random.SeedGenerator) -> Any:
    """0 or the scale of what is kept, in the shape and dtype of the inputs."""
    shape = ops.shape(inputs)
    size = tf.size(inputs)
    numbers = tf.random.stateless_uniform(
        [(size + 1) // 2],
        seed=tf.bitcast(tf.cast(seed.next(), tf.uint32), tf.int32),
        minval=None,
        maxval=None,
        dtype=tf.int32,
    )
    halves = tf.reshape(tf.bitcast(numbers, tf.uint16), [-1])[:size]
    kept = max(1, round((1.0 - rate) * _STEPS))
    mask = tf.reshape(halves < tf.constant(min(kept, _STEPS - 1), tf.uint16), shape)
    return tf.cast(mask, inputs.dtype) * (_STEPS / min(kept, _STEPS - 1))
