"""Training of click models."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from clickwright.models.ctr.parts import LOGITS
from clickwright.models.incremental.distillation_loss import (
    DistillationLoss,
    probability_logit,
)
from clickwright.models.losses.cross_entropy import CrossEntropy
from clickwright.models.losses.loss import Loss
from clickwright.models.metrics.auc import area_under_roc
from clickwright.models.metrics.log_loss import log_loss
from clickwright.models.scoring import scoring_model
from clickwright.models.training.checkpoint import Checkpoint
from clickwright.models.training.divergence import (
    infinite_column,
    infinite_part,
    mended_by,
)
from clickwright.models.training.examples import BATCH_DTYPES, Batch, Examples, cut
from clickwright.models.training.optimizer import (
    choose_updates,
    without_penalties,
)
from clickwright.models.training.packing import Packing
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.training_log import TrainingLog
from clickwright.models.training.training_loop import TrainingLoop
from clickwright.schemas.errors import ConfigError, DataError

_PREDICT_BATCH = 8192


class Trainer(TrainingLoop[keras.Model, TrainingParams, Examples]):
    """Trains a click model, epoch by epoch, and leaves the best epoch's weights in it.

    The loss is taken from the logit in front of the model's `probability` layer, or
    from its `logits` where it gives several, plus the model's own penalties. Rows
    whose weight is 0 (absent label) teach nothing.

    Under a distribution strategy each replica works on its share of a batch; losses
    and penalties count by the share of the weights and rows that a replica has, so
    that the sum of the gradients is that of the whole batch.

    What item tables fill stays as it is; best weights and checkpoints leave it out, and
    whoever builds the model for a resumed training fills it again.

    Model and trainer are made inside `placement(params)`, which sets device, strategy
    and precision.

    Args:
        model: a model that `registry.build` made.
        params: how to train it.
        loss: of labels, logits and weights; cross-entropy when None.
        distillation: keeps the model to its parent's answers; None for nothing.
    """

    def __init__(
        self,
        model: keras.Model,
        params: TrainingParams,
        loss: Loss | None = None,
        distillation: DistillationLoss | None = None,
    ) -> None:
        self._tables = choose_updates(model, params)
        super().__init__(model, params, self._tables)
        self._loss = loss or CrossEntropy()
        logits = model.output.get(LOGITS, model.get_layer("probability").input)
        self._logit_model = keras.Model(model.input, logits)
        self._distillation = distillation
        self._both_model = keras.Model(model.input, [logits, probability_logit(model)])
        self._score_model = scoring_model(model, params.negative_sampling_rate)
        self._sparse = {t.variable.path for t in self._tables if t.sparse}
        self._strategy = tf.distribute.get_strategy()
        self._replicas = self._strategy.num_replicas_in_sync
        features = {
            name: tf.TensorSpec(
                tensor.shape, BATCH_DTYPES[np.dtype(tensor.dtype).kind], name
            )
            for name, tensor in model.input.items()
        }
        self._packing = Packing(model.input)
        # One trace each, whatever the size of the last batch. Values dealt to several
        # replicas have no signature.
        self._step = tf.function(
            self._step_on,
            input_signature=self._packing.signature if self._replicas == 1 else None,
            reduce_retracing=True,
            jit_compile=params.jit_compile or None,
        )
        self._predict = tf.function(self._probability, [features])

    def predict(
        self, examples: Examples
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Returns labels, probabilities and weights of all rows, each `[rows]`."""
        columns = [
            (batch.labels, self._predict(batch.features), batch.weights)
            for batch in examples.batches(_PREDICT_BATCH)
        ]
        labels, probabilities, weights = zip(*columns, strict=True)
        return (
            np.concatenate(labels),
            np.concatenate(probabilities),
            np.concatenate(weights),
        )

    def _batches(self, train: Examples, epoch: int, start: int) -> Iterator[Batch]:
        seed = (self._params.seed, epoch)
        return train.batches(self._params.batch_size, seed, start)

    def _train_on_batch(self, epoch: int, batch: Batch) -> int:
        self._step(*self._dealt(batch))
        return len(batch.labels)

    def _validated(self, valid: Examples, epoch: int) -> dict[str, Any]:
        rows = self.predict(valid)
        return {"valid_auc": area_under_roc(*rows), "valid_logloss": log_loss(*rows)}

    def _inspect(self, epoch: int, train: Examples, log: TrainingLog) -> None:
        first = next(iter(train.batches(self._params.batch_size)))
        # Penalties of tables with sparse updates would make gradients dense.
        with without_penalties(self._tables):
            log.inspected(epoch, self._logit_model, self._loss, first)

    def _dealt(self, batch: Batch) -> Any:
        """The packed batch, or its shares where there are several replicas."""
        if self._replicas == 1:
            return self._packing.pack(batch)
        rows = len(batch.labels)

        def share(context: Any) -> tuple[tf.Tensor, ...]:
            n = context.replica_id_in_sync_group
            start, stop = (rows * k // self._replicas for k in (n, n + 1))
            if start < stop:
                some = cut(batch, slice(start, stop))
            else:
                # A replica cannot go without: a row that counts for nothing.
                some = cut(batch, slice(1))._replace(weights=np.zeros(1, np.float32))
            return tuple(map(tf.constant, self._packing.pack(some)))

        return self._strategy.experimental_distribute_values_from_function(share)

    def _step_on(self, ids: Any, values: Any) -> None:
        with tf.device(self._device):
            sums = self._strategy.run(self._packed_step, (ids, values))
            self._sums.assign_add(self._strategy.reduce("SUM", sums, axis=None))
            finite = tf.math.is_finite(self._sums[0])
            self._finite_steps.assign_add(tf.cast(finite, tf.int64))

    def _packed_step(self, ids: Any, values: Any) -> tf.Tensor:
        return self._train_on(*self._packing.unpack(ids, values))

    def _train_on(
        self, features: Mapping[str, Any], labels: Any, weights: Any
    ) -> tf.Tensor:
        """One replica's part of a step; its loss times its weight, and its weight."""
        clicked = labels > 0.5  # [B]
        weights = weights * tf.where(clicked, self._params.positive_weight, 1.0)
        weight = tf.reduce_sum(weights)
        loss, gradients = self._gradients(features, labels, weights)
        if self._replicas == 1:
            # From the first loss on that is not finite the weights stay as they are,
            # to find out what went wrong.
            finite = tf.math.is_finite(loss) & tf.math.is_finite(self._sums[0])
            tf.cond(finite, lambda: self._apply(gradients), lambda: None)
        else:
            self._apply(gradients)
        return tf.cast(tf.stack([loss * weight, weight]), tf.float64)

    def _gradients(
        self, features: Mapping[str, Any], labels: Any, weights: Any
    ) -> tuple[tf.Tensor, list[Any]]:
        """The replica's loss without penalties, and the whole batch's gradients."""
        variables = self.model.trainable_variables
        context = tf.distribute.get_replica_context()
        with tf.GradientTape() as tape:
            # [B, K] and [B, 1]
            logits, logit = self._both_model(features, training=True)
            loss = self._loss(labels, logits, weights)
            if self._distillation is not None:
                loss += self._distillation(features, logit, weights)
            with without_penalties(self._tables):
                penalties = self._both_model.losses
            if self._replicas == 1:
                total = tf.add_n([loss, *penalties])
            else:
                own = tf.stack(
                    [tf.reduce_sum(weights), tf.cast(tf.shape(labels)[0], tf.float32)]
                )
                share = tf.math.divide_no_nan(own, context.all_reduce("SUM", own))
                total = tf.add_n([share[0] * loss, *(share[1] * p for p in penalties)])
            if self._params.precision == "mixed_float16":
                total = self._optimizer.scale_loss(total)
        gradients = tape.gradient(total, variables)
        if self._replicas > 1:
            # Keras sums over the replicas, but only after it has clipped: it gets the
            # sum from one replica and zeros from the others.
            first = context.replica_id_in_sync_group == 0
            summed = context.all_reduce("SUM", gradients)
            gradients = [_scaled(g, tf.cast(first, g.dtype)) for g in summed]
        return loss, gradients

    def _apply(self, gradients: list[Any]) -> None:
        # Dense: Keras' Adam squares the gradients of an id that occurs twice one by
        # one before it adds them, and so takes a wrong step. Ours sums them first.
        variables = self.model.trainable_variables
        gradients = [
            g if v.path in self._sparse else tf.convert_to_tensor(g)
            for g, v in zip(gradients, variables, strict=True)
        ]
        self._optimizer.apply(gradients, variables)

    def _probability(self, features: Mapping[str, Any]) -> tf.Tensor:
        with tf.device(self._device):
            return self._score_model(features, training=False)

    def _diverged(
        self, train: Examples, epoch: int, checkpoint: Checkpoint | None
    ) -> ConfigError | DataError:
        step = int(self._finite_steps.numpy())
        batches = self._batches(train, epoch, step)
        # Without a loss that is not finite the weights are at fault, whatever batch.
        batch = next(iter(batches), None) or next(
            iter(train.batches(self._params.batch_size))
        )
        if (column := infinite_column(self.model, batch)) is not None:
            return DataError(
                f"`{column}` holds infinite values or NaN after Transform.",
                where=f"split `train`, column `{column}`",
                fix="mend the column, or give it a scaling and bounds in the "
                "feature spec",
            )
        part = infinite_part(self._logit_model, self._loss, batch)
        return ConfigError(
            f"Infinite values or NaN in {part or 'the training loss'}: the training "
            f"loss is not a finite number any more (epoch {epoch}, step {step + 1}, "
            f"learning rate {float(self._optimizer.learning_rate.numpy()):g}, seed "
            f"{self._params.seed}).",
            where="training",
            fix=mended_by(self._params, checkpoint),
        )


def _scaled(gradient: Any, factor: Any) -> Any:
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(
            gradient.values * factor, gradient.indices, gradient.dense_shape
        )
    return gradient * factor
