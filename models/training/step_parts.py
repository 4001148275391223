"""A training step that changes nothing, for a look at its parts."""

from typing import Any

import keras
import tensorflow as tf

from clickwright.models.losses.loss import Loss
from clickwright.models.training.examples import Batch


def step_parts(
    model: keras.Model, loss: Loss, batch: Batch, *, training: bool
) -> tuple[tf.Tensor, list[tf.Tensor], list[tf.Tensor | None]]:
    """Computes loss, penalties and gradients of a batch, op by op on one replica.

    Args:
        model: gives the logits.
        loss: of labels, logits and weights.
        batch: the rows.
        training: whether layers act as in training, dropout on.

    Returns:
        The loss, the penalties, and a gradient for each trainable variable: None
        where there is none; of a table whose penalty is left out, that of the rows
        looked up alone.
    """

    def run() -> Any:
        with tf.GradientTape() as tape:
            logits = model(batch.features, training=training)
            value = loss(batch.labels, logits, batch.weights)
            penalties = list(model.losses)
            total = tf.add_n([value, *penalties])
        gradients = tape.gradient(total, model.trainable_variables)
        return value, penalties, [_summed(g) for g in gradients]

    strategy = tf.distribute.get_strategy()
    return tf.nest.map_structure(
        lambda found: strategy.experimental_local_results(found)[0], strategy.run(run)
    )


def _summed(gradient: Any) -> tf.Tensor | None:
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows, places = tf.unique(gradient.indices)
    return tf.math.unsorted_segment_sum(gradient.values, places, tf.size(rows))
