"""Batch normalization as published click models have it."""

from typing import Any

import keras
from keras import ops

_ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
if _ON_TENSORFLOW:
    import tensorflow as tf


@keras.saving.register_keras_serializable(package="clickwright")
class BatchNorm(keras.layers.BatchNormalization):
    """Batch normalization with epsilon 1e-5 and momentum 0.9.

    These are the defaults that published click-model figures were trained with (in
    PyTorch's words, a momentum of 0.1), and not Keras' own. On TensorFlow, training on
    `[batch, N]` runs TensorFlow's one fused operation: half the time of the dozen that
    Keras runs on a CPU. Its running variance is the unbiased one, as PyTorch's is;
    other backends keep Keras' biased one.

    Args:
        momentum: share of the running statistics that a batch leaves as they are.
        epsilon: added to the variance.

    Input shape:
        `[batch, ..., N]`.

    Output shape:
        As the input.

    References:
        Ioffe and Szegedy, Batch Normalization, ICML 2015.
    """

    def __init__(
        self, momentum: float = 0.9, epsilon: float = 1e-5, **kwargs: Any
    ) -> None:
        super().__init__(momentum=momentum, epsilon=epsilon, **kwargs)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalizes by the batch in training, by the running statistics otherwise."""
        fused = _ON_TENSORFLOW and self.center and self.scale
        if not (fused and training and self.trainable and len(inputs.shape) == 2):
            return super().call(inputs, training=training, mask=mask)
        normalized, mean, variance = normalized_by_batch(
            ops.cast(inputs, "float32"), self.gamma, self.beta, self.epsilon
        )
        for running, batch in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            running.assign(running * self.momentum + batch * (1.0 - self.momentum))
        return ops.cast(normalized, self.compute_dtype)


def normalized_by_batch(
    x: Any, gamma: Any, beta: Any, epsilon: float = 1e-5
) -> tuple[Any, Any, Any]:
    """`x`, float32 `[batch, N]`, normalized; its mean and its variance, both `[N]`.

    On TensorFlow one fused operation, which gives the unbiased variance.
    """
    if not _ON_TENSORFLOW:
        mean, variance = ops.moments(x, axes=[0])
        scale = gamma * ops.rsqrt(variance + epsilon)
        return x * scale + (beta - mean * scale), mean, variance
    normalized, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=ops.reshape(x, (-1, 1, 1, x.shape[-1])),
        scale=gamma,
        offset=beta,
        mean=[],
        variance=[],
        epsilon=epsilon,
        is_training=True,
    )
    return ops.reshape(normalized, (-1, x.shape[-1])), mean, variance
