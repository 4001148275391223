"""The training loop of models that search the whole catalogue."""

import functools
import logging
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from clickwright.models.metrics.full_ranks import full_ranks
from clickwright.models.metrics.ranking_metrics import ranking_metrics
from clickwright.models.retrieval.retrieval_model import RetrievalModel
from clickwright.models.training.checkpoint import Arrays, Checkpoint
from clickwright.models.training.divergence import mended_by
from clickwright.models.training.epoch_part import EpochPart
from clickwright.models.training.epoch_record import EpochRecord
from clickwright.models.training.kept_variables import KeptVariables
from clickwright.models.training.optimizer import make_optimizer
from clickwright.models.training.placement import default_device
from clickwright.models.training.plateau import Plateau
from clickwright.models.training.retrieval_examples import RetrievalExamples
from clickwright.models.training.retrieval_params import RetrievalTrainingParams
from clickwright.models.training.training_log import TrainingLog
from clickwright.schemas.errors import ConfigError

_QUERIES = 2048
"""Most requests that go through the model together."""

logger = logging.getLogger(__name__)
progress = logging.getLogger("clickwright.progress")


class RetrievalTrainer:
    """Trains a model stage by stage, and leaves the best epoch's weights in it.

    Before training the model is told how often each item is a target. The epochs of
    the last stage are validated by ranking all items, and the best of them counts;
    those of earlier stages only lead there, and the optimizer begins anew after each.
    Item vectors and attributes are never trained.

    Model and trainer are made inside `placement(params)`, which sets device and
    precision.

    Args:
        model: a retrieval model, with its item tables filled.
        params: how to train it.
    """

    def __init__(self, model: RetrievalModel, params: RetrievalTrainingParams) -> None:
        self.model = model
        self._params = params
        # Item tables are read as a whole by every validation, and mostly by every
        # step: there are no rows to leave alone.
        self._optimizer = make_optimizer(params, [])
        self._optimizer.build(model.trainable_variables)
        if params.precision == "mixed_float16":
            self._optimizer = keras.optimizers.LossScaleOptimizer(self._optimizer)
            self._optimizer.build(model.trainable_variables)
        self._kept = KeptVariables(model, self._optimizer)
        self._fresh = self._kept.optimizer_values()
        self._device = default_device(params)
        # Sum of the rows' losses and of the rows, in this epoch.
        self._sums = tf.Variable([0.0, 0.0], dtype=tf.float64, trainable=False)
        self._finite_steps = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._steps = {
            stage: tf.function(
                functools.partial(self._step_on, stage),
                input_signature=[self._batch_signature()],
                jit_compile=params.jit_compile or None,
            )
            for stage in model.stages
        }
        self._query = tf.function(
            self._query_on,
            input_signature=[
                {
                    "history": tf.TensorSpec([None, model.length], tf.int32),
                    "user": tf.TensorSpec([None], tf.int32),
                }
            ],
        )

    def train(
        self,
        train: RetrievalExamples,
        valid: RetrievalExamples,
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
            What is known of each epoch, those of earlier stages included.

        Raises:
            ConfigError: loss or weights are not finite any more.
            DataError: the checkpoint belongs to another model.
            MachineError: the checkpoint cannot be written.
        """
        params = self._params
        log = log or TrainingLog(None, params, train.rows)
        plateau = Plateau(params)
        records: list[EpochRecord] = []
        part = EpochPart()
        self.model.adapt(train.target_counts(self.model.length))
        best: Arrays = self._kept.values()
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

        log.epochs = self._first_epochs + params.epochs
        while len(records) < log.epochs and not plateau.stop:
            number = len(records) + 1
            stage = self._stage(number)
            if part == EpochPart() and (
                number == 1 or stage != self._stage(len(records))
            ):
                self._kept.assign_optimizer(self._fresh)
            self._optimizer.learning_rate.assign(plateau.learning_rate)
            part = self._epoch(stage, train, number, part, keep, checkpoint, log)
            asked = number - self._first_epochs
            due = asked % params.valid_every == 0 or number == log.epochs
            record = self._ended(valid if asked > 0 and due else None, part, records)
            part = EpochPart()
            records.append(record)
            if plateau.update(record):
                best = self._kept.values()
            keep(part)
            log.epoch_ended(record)
        self._kept.assign(best)
        return tuple(records)

    def measure(
        self, examples: RetrievalExamples, say: str = "ranking"
    ) -> dict[str, float]:
        """Ranks all items for every request, and compares with what it should find.

        Returns:
            Metrics at the parameters' cutoffs; see `ranking_metrics`.
        """
        queries = examples.queries()
        with tf.device(self._device):
            matrix = np.asarray(self.model.item_matrix())
            bias = self.model.item_bias()
            bias = None if bias is None else np.asarray(bias)

        def score(rows: slice) -> np.ndarray[Any, Any]:
            chosen = queries.rows[rows]
            vectors = np.concatenate(
                [
                    self._query(examples.features(some, self.model.length)).numpy()
                    for some in np.array_split(chosen, -(-len(chosen) // _QUERIES))
                ]
            )
            scores = vectors @ matrix.T
            return scores if bias is None else scores + bias

        def done(count: int) -> None:
            progress.info(
                say,
                extra={"rows": count, "total": len(queries.rows), "detail": say},
            )

        ranks = full_ranks(
            score,
            queries.positives,
            examples.seen.take(queries.rows),
            examples.is_item,
            done,
        )
        return ranking_metrics(ranks, queries.positives, self._params.measured_cutoffs)

    @property
    def _first_epochs(self) -> int:
        """Epochs of all stages before the last."""
        return self._params.pretrain_epochs * (len(self.model.stages) - 1)

    def _stage(self, number: int) -> str:
        """The stage of an epoch; the first epoch is 1."""
        if number > self._first_epochs:
            return self.model.stages[-1]
        return self.model.stages[(number - 1) // self._params.pretrain_epochs]

    def _epoch(
        self,
        stage: str,
        train: RetrievalExamples,
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
                raise self._diverged(stage, number, checkpoint)
            return EpochPart(
                steps=steps, rows=rows, seconds=seconds, loss=loss, weight=weight
            )

        for batch in train.batches(
            self._params.batch_size,
            self.model.length,
            self.model.negatives_per_position,
            (self._params.seed, number),
            steps,
        ):
            self._steps[stage](batch)
            steps += 1
            rows += len(batch["user"])
            # Reading the loss waits for the device, so it happens now and then.
            if log.step_ended(number, rows) and not math.isfinite(self._loss()):
                break
            if checkpoint is not None and self._params.keeps(
                steps, time.monotonic() - kept_at
            ):
                keep(now())
                kept_at = time.monotonic()
        return now()

    def _ended(
        self,
        valid: RetrievalExamples | None,
        part: EpochPart,
        records: list[EpochRecord],
    ) -> EpochRecord:
        """Ends the epoch whose training is done."""
        started = time.monotonic()
        metrics = None if valid is None else self.measure(valid, "validating")
        seconds = part.seconds + time.monotonic() - started
        before = records[-1] if records else None
        return EpochRecord(
            epoch=len(records) + 1,
            step=part.steps + (before.step if before else 0),
            seconds=seconds + (before.seconds if before else 0.0),
            loss=part.loss / part.weight if part.weight else None,
            valid_auc=None,
            valid_logloss=None,
            learning_rate=float(self._optimizer.learning_rate.numpy()),
            examples_per_second=part.rows / part.seconds if part.seconds else None,
            valid=metrics,
        )

    def _step_on(self, stage: str, batch: Mapping[str, Any]) -> None:
        with tf.device(self._device):
            variables = self.model.trainable_variables
            with tf.GradientTape() as tape:
                loss = self.model.loss(batch, stage)
                total = tf.add_n([loss, *self.model.losses])
                if self._params.precision == "mixed_float16":
                    total = self._optimizer.scale_loss(total)
            gradients = tape.gradient(total, variables)
            # Dense: Keras' Adam squares the gradients of an id that occurs twice one
            # by one. Weights of another stage get zeros, and stay.
            gradients = [
                tf.zeros_like(v) if g is None else tf.convert_to_tensor(g)
                for g, v in zip(gradients, variables, strict=True)
            ]
            # From the first loss on that is not finite the weights stay as they are.
            finite = tf.math.is_finite(loss) & tf.math.is_finite(self._sums[0])
            tf.cond(
                finite,
                lambda: self._optimizer.apply(gradients, variables),
                lambda: None,
            )
            rows = tf.cast(tf.shape(batch["user"])[0], tf.float64)
            self._sums.assign_add(tf.stack([tf.cast(loss, tf.float64) * rows, rows]))
            self._finite_steps.assign_add(
                tf.cast(tf.math.is_finite(self._sums[0]), tf.int64)
            )

    def _batch_signature(self) -> dict[str, tf.TensorSpec]:
        length = self.model.length
        shapes: dict[str, list[int | None]] = {
            "history": [None, length],
            "target": [None, length or 1],
            "user": [None],
        }
        if self.model.negatives_per_position:
            shapes["negatives"] = [
                *shapes["target"],
                self.model.negatives_per_position,
            ]
        return {name: tf.TensorSpec(s, tf.int32) for name, s in shapes.items()}

    def _query_on(self, features: Mapping[str, Any]) -> tf.Tensor:
        with tf.device(self._device):
            return self.model.query(features)

    def _loss(self) -> float:
        return float(self._sums.numpy()[0])

    def _weights_finite(self) -> bool:
        return all(
            bool(tf.reduce_all(tf.math.is_finite(v.value)))
            for v in self._kept.of_model
            if tf.as_dtype(v.dtype).is_floating
        )

    def _diverged(
        self, stage: str, epoch: int, checkpoint: Checkpoint | None
    ) -> ConfigError:
        step = int(self._finite_steps.numpy())
        broken = [
            v.path
            for v in self._kept.of_model
            if tf.as_dtype(v.dtype).is_floating
            and not bool(tf.reduce_all(tf.math.is_finite(v.value)))
        ]
        part = f"the weights `{broken[0]}`" if broken else "the training loss"
        return ConfigError(
            f"Infinite values or NaN in {part}: the training loss is not a finite "
            f"number any more (stage `{stage}`, epoch {epoch}, step {step + 1}, "
            f"learning rate {float(self._optimizer.learning_rate.numpy()):g}, seed "
            f"{self._params.seed}).",
            where="training",
            fix=mended_by(self._params, checkpoint),
        )
