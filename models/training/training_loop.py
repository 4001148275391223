"""What the training of every model goes through."""

import abc
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import keras
import tensorflow as tf

from clickwright.models.incremental.warm_start import WarmStart
from clickwright.models.training.checkpoint import Arrays, Checkpoint
from clickwright.models.training.epoch_part import EpochPart
from clickwright.models.training.epoch_record import EpochRecord
from clickwright.models.training.fit_params import FitParams
from clickwright.models.training.kept_variables import KeptVariables
from clickwright.models.training.optimizer import Table, make_optimizer
from clickwright.models.training.optimizer_state import OptimizerState
from clickwright.models.training.placement import default_device
from clickwright.models.training.plateau import Plateau
from clickwright.models.training.training_log import TrainingLog
from clickwright.schemas.errors import ClickwrightError

ModelT = TypeVar("ModelT", bound=keras.Model)
ParamsT = TypeVar("ParamsT", bound=FitParams)
ExamplesT = TypeVar("ExamplesT", bound=Any)

logger = logging.getLogger(__name__)


class TrainingLoop(abc.ABC, Generic[ModelT, ParamsT, ExamplesT]):
    """Trains a model, epoch by epoch, and leaves the best epoch's weights in it.

    It keeps and resumes the state of a training, follows the monitor, and stops where
    numbers are not finite any more. Subclasses say what a step and a validation are.

    A step adds the sum of its rows' losses, and of what they are divided by, to
    `self._sums`, and counts itself in `self._finite_steps` while the loss is finite.

    Args:
        model: the model.
        params: how to train it.
        tables: its embedding tables, and how each moves.
    """

    def __init__(
        self, model: ModelT, params: ParamsT, tables: Sequence[Table] = ()
    ) -> None:
        self.model = model
        self._params = params
        self._optimizer = make_optimizer(params, tables)
        self._optimizer.build(model.trainable_variables)
        if params.precision == "mixed_float16":
            self._optimizer = keras.optimizers.LossScaleOptimizer(self._optimizer)
            self._optimizer.build(model.trainable_variables)
        self._kept = KeptVariables(model, self._optimizer)
        self._device = default_device(params)
        # Of this epoch.
        self._sums = tf.Variable([0.0, 0.0], dtype=tf.float64, trainable=False)
        self._finite_steps = tf.Variable(0, dtype=tf.int64, trainable=False)

    def train(
        self,
        train: ExamplesT,
        valid: ExamplesT,
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
            ConfigError: loss or weights are not finite any more; says which part.
            DataError: an input holds infinite values or NaN, or the checkpoint
                belongs to another model.
            MachineError: the checkpoint cannot be written.
        """
        log = log or TrainingLog(None, self._params, train.rows)
        log.epochs = self._epochs
        plateau = Plateau(self._params)
        records: list[EpochRecord] = []
        part = EpochPart()
        self._begin(train)
        best: Arrays = self._kept.values()
        best_optimizer: Arrays = self._kept.optimizer_values()
        state = checkpoint.load() if checkpoint else None
        if checkpoint is not None and state is not None:
            logger.info(
                "resuming after epoch %d and %d steps",
                len(state.records),
                state.part.steps,
            )
            self._kept.restore(state, checkpoint)
            best, best_optimizer, part = state.best, state.best_optimizer, state.part
            for record in state.records:
                records.append(record)
                plateau.update(record)
                log.epoch_ended(record)

        def keep(part: EpochPart) -> None:
            if checkpoint is not None:
                checkpoint.save(
                    self._kept.state(best, best_optimizer, tuple(records), part)
                )

        while len(records) < self._epochs and not plateau.stop:
            number = len(records) + 1
            if part == EpochPart():
                self._begin_epoch(number)
            self._optimizer.learning_rate.assign(plateau.learning_rate)
            part = self._epoch(train, number, part, keep, checkpoint, log)
            record = self._record(valid, part, records)
            part = EpochPart()
            records.append(record)
            if plateau.update(record):
                best = self._kept.values()
                best_optimizer = self._kept.optimizer_values()
            keep(part)
            log.epoch_ended(record)
            if log.inspects:
                self._inspect(number, train, log)
        self._kept.assign(best)
        self._kept.assign_optimizer(best_optimizer)
        return tuple(records)

    def start_from(self, start: WarmStart) -> None:
        """Goes on from a parent, whose weights and optimizer it takes up.

        Raises:
            ConfigError: the parent is another model.
        """
        start.fill(self._kept, self.model)

    def optimizer_state(self) -> OptimizerState:
        """What the optimizer knows; once trained, that of the best epoch."""
        return self._kept.optimizer_state()

    @property
    def _epochs(self) -> int:
        """Most epochs."""
        return self._params.epochs

    @abc.abstractmethod
    def _batches(self, train: ExamplesT, epoch: int, start: int) -> Iterator[Any]:
        """The batches of an epoch, in its order, without the first `start`."""

    @abc.abstractmethod
    def _train_on_batch(self, epoch: int, batch: Any) -> int:
        """Takes a step; returns the rows of the batch."""

    @abc.abstractmethod
    def _validated(self, valid: ExamplesT, epoch: int) -> dict[str, Any]:
        """What the record of the epoch says of the validation split, by field."""

    @abc.abstractmethod
    def _diverged(
        self, train: ExamplesT, epoch: int, checkpoint: Checkpoint | None
    ) -> ClickwrightError:
        """The error where the numbers of an epoch are not finite any more."""

    def _begin(self, train: ExamplesT) -> None:
        """Called before everything else."""

    def _begin_epoch(self, epoch: int) -> None:
        """Called before an epoch that starts with its first step."""

    def _inspect(self, epoch: int, train: ExamplesT, log: TrainingLog) -> None:
        """Tells the log of weights and gradients."""

    def _epoch(
        self,
        train: ExamplesT,
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
            if not (math.isfinite(loss) and self._weights_finite()):
                raise self._diverged(train, number, checkpoint)
            return EpochPart(
                steps=steps, rows=rows, seconds=seconds, loss=loss, weight=weight
            )

        for batch in self._batches(train, number, steps):
            rows += self._train_on_batch(number, batch)
            steps += 1
            # Reading the loss waits for the device, so it happens now and then.
            if log.step_ended(number, rows) and not math.isfinite(
                self._sums.numpy()[0]
            ):
                break
            if checkpoint is not None and self._params.keeps(
                steps, time.monotonic() - kept_at
            ):
                keep(now())
                kept_at = time.monotonic()
        return now()

    def _record(
        self, valid: ExamplesT, part: EpochPart, records: Sequence[EpochRecord]
    ) -> EpochRecord:
        """Ends the epoch whose training is done."""
        number = len(records) + 1
        started = time.monotonic()
        validation = self._validated(valid, number)
        seconds = part.seconds + time.monotonic() - started
        before = records[-1] if records else None
        return EpochRecord(
            epoch=number,
            step=part.steps + (before.step if before else 0),
            seconds=seconds + (before.seconds if before else 0.0),
            loss=part.loss / part.weight if part.weight else None,
            learning_rate=float(self._optimizer.learning_rate.numpy()),
            examples_per_second=part.rows / part.seconds if part.seconds else None,
            **validation,
        )

    def _not_finite(self) -> list[str]:
        """Paths of the weights that hold infinite values or NaN."""
        return [
            v.path
            for v in self._kept.of_model
            if tf.as_dtype(v.dtype).is_floating
            and not bool(tf.reduce_all(tf.math.is_finite(v.value)))
        ]

    def _weights_finite(self) -> bool:
        return not self._not_finite()
