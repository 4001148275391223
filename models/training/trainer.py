"""The training loop."""

import logging
import math
import time
from collections.abc import Mapping
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
from clickwright.models.training.checkpoint import Arrays, Checkpoint, State
from clickwright.models.training.epoch_record import EpochRecord
from clickwright.models.training.examples import BATCH_DTYPES, Batch, Examples
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.plateau import Plateau
from clickwright.models.training.training_log import TrainingLog
from clickwright.schemas.errors import ConfigError, DataError

_PREDICT_BATCH = 8192

logger = logging.getLogger(__name__)


class Trainer:
    """Trains a model, epoch by epoch, and leaves the best epoch's weights in it.

    The loss is taken from the logit in front of the model's `probability` layer, or
    from its `logits` where it gives several, plus the model's own penalties. Rows whose weight is 0 (absent label) teach nothing.

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
        self._optimizer = keras.optimizers.Adam(
            params.learning_rate,
            epsilon=params.epsilon,
            global_clipnorm=params.global_clipnorm,
        )
        self._optimizer.build(model.trainable_variables)
        features = {
            name: tf.TensorSpec(
                tensor.shape, BATCH_DTYPES[np.dtype(tensor.dtype).kind], name
            )
            for name, tensor in model.input.items()
        }
        rows = tf.TensorSpec([None], tf.float32)
        # One trace each, whatever the size of the last batch.
        self._step = tf.function(self._train_on, [features, rows, rows])
        self._predict = tf.function(self._probability, [features])

    def train(
        self,
        train: Examples,
        valid: Examples,
        checkpoint: Checkpoint | None = None,
        log: TrainingLog | None = None,
    ) -> tuple[EpochRecord, ...]:
        """Trains until the validation AUC has stopped improving.

        Args:
            train: rows to learn from.
            valid: rows whose AUC decides.
            checkpoint: where the state is kept between epochs. A training that finds
                one there goes on after its last finished epoch, and ends as though it
                had never stopped.
            log: told about steps and epochs.

        Returns:
            What is known of each epoch.

        Raises:
            ConfigError: the loss is not a number any more.
            DataError: an input holds infinite values or NaN.
            MachineError: the checkpoint cannot be written.
        """
        log = log or TrainingLog(None, self._params, train.rows)
        plateau = Plateau(self._params)
        records: list[EpochRecord] = []
        best: Arrays = self._values()
        state = checkpoint.load() if checkpoint else None
        if state is not None:
            logger.info("resuming after epoch %d", state.records[-1].epoch)
            self._restore(state)
            best = state.best
            for record in state.records:
                records.append(record)
                plateau.update(_known(record.valid_auc))
                log.epoch_ended(record)
        while len(records) < self._params.epochs and not plateau.stop:
            self._optimizer.learning_rate.assign(plateau.learning_rate)
            record = self._epoch(train, valid, records, log)
            records.append(record)
            if plateau.update(_known(record.valid_auc)):
                best = self._values()
            if checkpoint is not None:
                checkpoint.save(self._state(best, tuple(records)))
            log.epoch_ended(record)
        self._assign(self.model.variables, best)
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
        valid: Examples,
        records: list[EpochRecord],
        log: TrainingLog,
    ) -> EpochRecord:
        number = len(records) + 1
        steps = rows = 0
        total = tf.zeros((), tf.float32)
        started = time.monotonic()
        for batch in train.batches(
            self._params.batch_size, (self._params.seed, number)
        ):
            total += self._step(*batch) * len(batch.labels)
            steps += 1
            rows += len(batch.labels)
            # Reading the loss waits for the device, so it happens now and then.
            if log.step_ended(number, rows) and not math.isfinite(float(total)):
                break
        loss = float(total) / rows
        if not math.isfinite(loss):
            raise self._diverged(train, number)
        trained = time.monotonic() - started
        labels, probabilities, weights = self.predict(valid)
        before = records[-1] if records else None
        return EpochRecord(
            epoch=number,
            step=steps + (before.step if before else 0),
            seconds=time.monotonic() - started + (before.seconds if before else 0.0),
            loss=loss,
            valid_auc=area_under_roc(labels, probabilities, weights),
            valid_logloss=log_loss(labels, probabilities, weights),
            learning_rate=float(self._optimizer.learning_rate),
            examples_per_second=rows / trained,
        )

    def _train_on(
        self, features: Mapping[str, Any], labels: Any, weights: Any
    ) -> tf.Tensor:
        variables = self.model.trainable_variables
        clicked = labels > 0.5  # [B]
        weights = weights * tf.where(clicked, self._params.positive_weight, 1.0)
        with tf.GradientTape() as tape:
            logits = self._logit_model(features, training=True)  # [B, K]
            loss = self._loss(labels, logits, weights)
            total = tf.add_n([loss, *self._logit_model.losses])
        # Dense: Keras' Adam squares the gradients of an id that occurs twice one by
        # one before it adds them, and so takes a wrong step.
        gradients = [tf.convert_to_tensor(g) for g in tape.gradient(total, variables)]
        self._optimizer.apply(gradients, variables)
        return loss

    def _probability(self, features: Mapping[str, Any]) -> tf.Tensor:
        return self._score_model(features, training=False)

    def _diverged(self, train: Examples, epoch: int) -> ConfigError | DataError:
        for batch in train.batches(_PREDICT_BATCH):
            if names := _not_finite(batch):
                return DataError(
                    f"`{names[0]}` holds infinite values or NaN after Transform.",
                    where=f"split `train`, column `{names[0]}`",
                    fix="mend the column, or give it a scaling and bounds in the "
                    "feature spec",
                )
        return ConfigError(
            f"The training loss is not a finite number any more (epoch {epoch}, "
            f"learning rate {float(self._optimizer.learning_rate):g}).",
            where="training",
            fix="lower `learning_rate` or `global_clipnorm`",
        )

    def _values(self) -> list[np.ndarray[Any, Any]]:
        return [np.array(v) for v in self.model.variables]

    def _state(self, best: Arrays, records: tuple[EpochRecord, ...]) -> State:
        optimizer = [np.array(v) for v in self._optimizer.variables]
        return State(self._values(), optimizer, best, records)

    def _restore(self, state: State) -> None:
        self._assign(self.model.variables, state.model)
        self._assign(self._optimizer.variables, state.optimizer)

    @staticmethod
    def _assign(variables: Any, values: Any) -> None:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def _not_finite(batch: Batch) -> list[str]:
    columns = {**batch.features, "sample_weight": batch.weights}
    return [
        name
        for name, values in columns.items()
        if np.issubdtype(np.asarray(values).dtype, np.floating)
        and not np.isfinite(np.asarray(values)).all()
    ]


def _known(value: float | None) -> float:
    """The AUC of an epoch; splits of a single class are refused before training."""
    return math.nan if value is None else value
