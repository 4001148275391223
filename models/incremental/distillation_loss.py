"""Keeping a model to what its parent answers."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from clickwright.models.losses.weighted_mean import weighted_mean
from clickwright.schemas.incremental import Distillation


class DistillationLoss:
    """`weight T^2 mean_b BCE(sigmoid(z_b / T), sigmoid(z'_b / T))`.

    `z` is the logit of the probability in the model that is trained, `z'` that of its
    parent, dropout off, which gets no gradient: the loss is least, and its gradient
    zero, where both agree. Rows count by their weights.

    Args:
        teacher: the parent, with as many rows in its tables as the model.
        settings: weight and temperature.

    References:
        Hinton et al., "Distilling the Knowledge in a Neural Network",
        arXiv:1503.02531 (2015).
    """

    def __init__(self, teacher: keras.Model, settings: Distillation) -> None:
        self._teacher = keras.Model(teacher.input, probability_logit(teacher))
        self._settings = settings

    def __call__(self, features: Mapping[str, Any], logit: Any, weights: Any) -> Any:
        """The loss of a batch, a scalar.

        Args:
            features: what the models read.
            logit: of the model that is trained, `[B, 1]`.
            weights: of the rows, `[B]`.
        """
        t = self._settings.temperature
        answers = tf.cast(self._teacher(features, training=False), tf.float32) / t
        entropies = tf.nn.sigmoid_cross_entropy_with_logits(
            tf.stop_gradient(tf.sigmoid(answers)), tf.cast(logit, tf.float32) / t
        )  # [B, 1]
        mean = weighted_mean(tf.squeeze(entropies, 1), weights)
        return self._settings.weight * t**2 * mean


def probability_logit(model: keras.Model) -> Any:
    """The logit in front of a click model's probability, `[batch, 1]`."""
    return model.get_layer("probability").input
