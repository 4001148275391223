"""The training loop."""

import logging
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from clickwright.models.ctr.parts import LOGITS
from clickwright.models.losses.cross_entropy import CrossEntropy
from clickwright.models.losses.loss import Loss
from clickwright.models.metrics.auc import area_under_roc
from clickwright.models.metrics.log_loss import log_loss
from clickwright.models.scoring import scoring_model
from clickwright.models.training.checkpoint import Arrays, Checkpoint
from clickwright.models.training.divergence import (
    infinite_column,
    infinite_part,
    mended_by,
)
from clickwright.models.training.epoch_part import EpochPart
from clickwright.models.training.epoch_record import EpochRecord
from clickwright.models.training.examples import BATCH_DTYPES, Batch, Examples, cut
from clickwright.models.training.kept_variables import KeptVariables
from clickwright.models.training.optimizer import (
    choose_updates,
    make_optimizer,
    without_penalties,
)
from clickwright.models.training.packing import Packing
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.placement import default_device
from clickwright.models.training.plateau import Plateau
from clickwright.models.training.training_log import TrainingLog
from clickwright.schemas.errors import ConfigError, DataError

_PREDICT_BATCH = 8192

logger = logging.getLogger(__name__)


class Trainer:
    """Trains a model, epoch by epoch, and leaves the best epoch's weights in it.

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
    """

    def __init__(
        self, model: keras.Model, params: TrainingParams, loss: Loss | None = None
    ) -> None:
        self.model = model
        self._params = params
        self._loss = loss or CrossEntropy()
        logits = model.output.get(LOGITS, model.get_layer("probability").input)
        self._logit_model = keras.Model(model.input, logits)
        self._score_model = scoring_model(model, params.negative_sampling_rate)
        self._tables = choose_updates(model, params)
        self._sparse = {t.variable.path for t in self._tables if t.sparse}
        self._optimizer = make_optimizer(params, self._tables)
        self._optimizer.build(model.trainable_variables)
        if params.precision == "mixed_float16":
            self._optimizer = keras.optimizers.LossScaleOptimizer(self._optimizer)
            self._optimizer.build(model.trainable_variables)
        self._kept = KeptVariables(model, self._optimizer)
        self._device = default_device(params)
        self._strategy = tf.distribute.get_strategy()
        self._replicas = self._strategy.num_replicas_in_sync
        # Sum of the rows' losses and of their weights, in this epoch.
        self._sums = tf.Variable([0.0, 0.0], dtype=tf.float64, trainable=False)
        self._finite_steps = tf.Variable(0, dtype=tf.int64, trainable=False)
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

    def train(
        self,
        train: Examples,
        valid: Examples,
        checkpoint: Checkpoint | None = None,
        log: TrainingLog | None = None,
    ) -> tuple[EpochRecord, ...]:
        """Trains until the monitor has stopped improving on the validation split.

        Args:
            train: rows to learn from.
            valid: rows that decide.
            checkpoint: where the state is kept, after each epoch and now and then
                within one. A training that finds one there goes on from it, and ends
                as though it had never stopped.
            log: told about steps and epochs.

        Returns:
            What is known of each epoch.

        Raises:
            ConfigError: loss or weights are not finite any more; names the layer.
            DataError: an input holds infinite values or NaN, or the checkpoint
                belongs to another model.
            MachineError: the checkpoint cannot be written.
        """
        log = log or TrainingLog(None, self._params, train.rows)
        plateau = Plateau(self._params)
        records: list[EpochRecord] = []
        best: Arrays = self._kept.values()
        part = EpochPart()
        state = checkpoint.load() if checkpoint else None
        if checkpoint is not None and state is not None:
            logger.info(
                "resuming after epoch %d and %d steps",
                len(state.records),
                state.part.steps,
            )
            self._kept.restore(state, checkpoint)
            best, part = state.best, state.part
            for record in state.records:
                records.append(record)
                plateau.update(record)
                log.epoch_ended(record)

        def keep(part: EpochPart) -> None:
            if checkpoint is not None:
                checkpoint.save(self._kept.state(best, tuple(records), part))

        while len(records) < self._params.epochs and not plateau.stop:
            self._optimizer.learning_rate.assign(plateau.learning_rate)
            number = len(records) + 1
            part = self._epoch(train, number, part, keep, checkpoint, log)
            record = self._validated(valid, part, records)
            part = EpochPart()
            records.append(record)
            if plateau.update(record):
                best = self._kept.values()
            keep(part)
            log.epoch_ended(record)
            if log.inspects:
                first = next(iter(train.batches(self._params.batch_size)))
                # Penalties of tables with sparse updates would make gradients dense.
                with without_penalties(self._tables):
                    log.inspected(number, self._logit_model, self._loss, first)
        self._kept.assign(best)
        return tuple(records)

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

    def _epoch(
        self,
        train: Examples,
        number: int,
        part: EpochPart,
        keep: Callable[[EpochPart], None],
        checkpoint: Checkpoint | None,
        log: TrainingLog,
    ) -> EpochPart:
        """Trains from `part` of the epoch to its end."""
        steps, rows = part.steps, part.rows
        self._sums.assign([part.loss, part.weight])
        self._finite_steps.assign(steps)
        kept_at = time.monotonic()
        started = kept_at - part.seconds

        def now() -> EpochPart:
            loss, weight = self._sums.numpy().tolist()
            seconds = time.monotonic() - started
            part = EpochPart(
                steps=steps, rows=rows, seconds=seconds, loss=loss, weight=weight
            )
            if not (math.isfinite(loss) and self._weights_finite()):
                raise self._diverged(train, number, checkpoint)
            return part

        for batch in train.batches(
            self._params.batch_size, (self._params.seed, number), steps
        ):
            self._step(*self._dealt(batch))
            steps += 1
            rows += len(batch.labels)
            # Reading the loss waits for the device, so it happens now and then.
            if log.step_ended(number, rows) and not self._loss_finite():
                break
            if checkpoint is not None and self._params.keeps(
                steps, time.monotonic() - kept_at
            ):
                keep(now())
                kept_at = time.monotonic()
        return now()

    def _validated(
        self, valid: Examples, part: EpochPart, records: list[EpochRecord]
    ) -> EpochRecord:
        """Ends the epoch whose training is done."""
        started = time.monotonic()
        labels, probabilities, weights = self.predict(valid)
        seconds = part.seconds + time.monotonic() - started
        before = records[-1] if records else None
        return EpochRecord(
            epoch=len(records) + 1,
            step=part.steps + (before.step if before else 0),
            seconds=seconds + (before.seconds if before else 0.0),
            loss=part.loss / part.weight if part.weight else None,
            valid_auc=area_under_roc(labels, probabilities, weights),
            valid_logloss=log_loss(labels, probabilities, weights),
            learning_rate=float(self._optimizer.learning_rate.numpy()),
            examples_per_second=part.rows / part.seconds,
        )

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
            logits = self._logit_model(features, training=True)  # [B, K]
            loss = self._loss(labels, logits, weights)
            with without_penalties(self._tables):
                penalties = self._logit_model.losses
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

    def _loss_finite(self) -> bool:
        return math.isfinite(self._sums.numpy()[0])

    def _weights_finite(self) -> bool:
        return all(
            bool(tf.reduce_all(tf.math.is_finite(v.value)))
            for v in self._kept.of_model
            if tf.as_dtype(v.dtype).is_floating
        )

    def _diverged(
        self, train: Examples, epoch: int, checkpoint: Checkpoint | None
    ) -> ConfigError | DataError:
        step = int(self._finite_steps.numpy())
        batches = train.batches(
            self._params.batch_size, (self._params.seed, epoch), step
        )
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
