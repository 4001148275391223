"""What TensorBoard shows of a training."""

import pathlib
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from clickwright.models.losses.loss import Loss
from clickwright.models.training.epoch_record import EpochRecord
from clickwright.models.training.examples import Batch
from clickwright.models.training.step_parts import step_parts


class TensorBoard:
    """Writes events, once an epoch.

    Args:
        directory: folder of the events.
        histograms: whether `inspected` writes histograms beside the gradient's norm.
    """

    def __init__(self, directory: pathlib.Path, histograms: bool = False) -> None:
        self._writer = tf.summary.create_file_writer(str(directory))
        self._histograms = histograms

    def epoch_ended(self, record: EpochRecord) -> None:
        """Writes the record's figures."""
        with self._writer.as_default(step=record.epoch):
            figures = record.model_dump(exclude={"epoch", "valid"})
            if record.valid is not None:
                figures |= record.metrics
            for name, value in figures.items():
                if value is not None:
                    tf.summary.scalar(name, value)
        self._writer.flush()

    def inspected(
        self, epoch: int, model: keras.Model, loss: Loss, batch: Batch
    ) -> None:
        """Writes the gradients on a batch and the norms of the embedding rows.

        Args:
            epoch: the epoch that ended.
            model: gives the logits.
            loss: of labels, logits and weights.
            batch: the same one after each epoch. Dropout is off, so that looking
                changes nothing.
        """
        gradients = _gradients(model, loss, batch)
        norm = np.sqrt(sum(float(np.sum(np.square(g))) for g in gradients.values()))
        with self._writer.as_default(step=epoch):
            tf.summary.scalar("gradient_norm", norm)
            if self._histograms:
                for layer, values in gradients.items():
                    tf.summary.histogram(f"gradient/{layer}", values)
                for table, values in row_norms(model).items():
                    tf.summary.histogram(f"row_norm/{table}", values)
        self._writer.flush()


def row_norms(model: keras.Model) -> dict[str, np.ndarray[Any, Any]]:
    """Euclidean norms of the rows of each input's table, by `layer/input`."""
    norms = {}
    for layer in model._flatten_layers():
        ranges: Mapping[str, tuple[int, int]] = getattr(layer, "row_ranges", {})
        if ranges:
            rows = np.linalg.norm(layer.embeddings.numpy(), axis=1)
            for name, (start, stop) in ranges.items():
                norms[f"{layer.path}/{name}"] = rows[start:stop]
    return norms


def _gradients(
    model: keras.Model, loss: Loss, batch: Batch
) -> dict[str, np.ndarray[Any, Any]]:
    """Gradients of all weights of each layer, flat, by the layer's path."""
    _, _, gradients = step_parts(model, loss, batch, training=False)
    found: dict[str, list[np.ndarray[Any, Any]]] = {}
    for v, gradient in zip(model.trainable_variables, gradients, strict=True):
        if gradient is not None:
            values = np.asarray(gradient, np.float32).ravel()
            found.setdefault(v.path.rpartition("/")[0], []).append(values)
    return {layer: np.concatenate(parts) for layer, parts in found.items()}
