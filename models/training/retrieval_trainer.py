"""Training of models that search the whole catalogue."""

import functools
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from clickwright.models.incremental.warm_start import WarmStart
from clickwright.models.metrics.full_ranks import full_ranks
from clickwright.models.metrics.ranking_metrics import ranking_metrics
from clickwright.models.retrieval.retrieval_model import RetrievalModel
from clickwright.models.training.checkpoint import Checkpoint
from clickwright.models.training.divergence import mended_by
from clickwright.models.training.retrieval_examples import RetrievalExamples
from clickwright.models.training.retrieval_params import RetrievalTrainingParams
from clickwright.models.training.training_loop import TrainingLoop
from clickwright.schemas.errors import ConfigError

_QUERIES = 2048
"""Most requests that go through the model together."""

progress = logging.getLogger("clickwright.progress")


class RetrievalTrainer(
    TrainingLoop[RetrievalModel, RetrievalTrainingParams, RetrievalExamples]
):
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
        # Item tables are read as a whole by every validation, and mostly by every
        # step: there are no rows to leave alone.
        super().__init__(model, params)
        model.by_length = not params.jit_compile
        self._fresh = self._kept.optimizer_values()
        self._started = False
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

    def start_from(self, start: WarmStart) -> None:
        """Goes on from a parent, with the last stage, which is where that one ended.

        Raises:
            ConfigError: the parent is another model.
        """
        super().start_from(start)
        self._started = True

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
        """Epochs of all stages before the last; none where training goes on."""
        if self._started:
            return 0
        return self._params.pretrain_epochs * (len(self.model.stages) - 1)

    def _stage(self, number: int) -> str:
        """The stage of an epoch; the first epoch is 1."""
        if number > self._first_epochs:
            return self.model.stages[-1]
        return self.model.stages[(number - 1) // self._params.pretrain_epochs]

    @property
    def _epochs(self) -> int:
        return self._first_epochs + self._params.epochs

    def _begin(self, train: RetrievalExamples) -> None:
        self.model.adapt(train.target_counts(self.model.length))

    def _begin_epoch(self, epoch: int) -> None:
        if self._started:
            return
        if epoch == 1 or self._stage(epoch) != self._stage(epoch - 1):
            self._kept.assign_optimizer(self._fresh)

    def _batches(
        self, train: RetrievalExamples, epoch: int, start: int
    ) -> Iterator[dict[str, Any]]:
        return train.batches(
            self._params.batch_size,
            self.model.length,
            self.model.negatives_per_position,
            (self._params.seed, epoch),
            start,
        )

    def _train_on_batch(self, epoch: int, batch: Mapping[str, Any]) -> int:
        self._steps[self._stage(epoch)](batch)
        return len(batch["user"])

    def _validated(self, valid: RetrievalExamples, epoch: int) -> dict[str, Any]:
        asked = epoch - self._first_epochs
        due = asked % self._params.valid_every == 0 or epoch == self._epochs
        metrics = self.measure(valid, "validating") if asked > 0 and due else None
        return {"valid_auc": None, "valid_logloss": None, "valid": metrics}

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

    def _diverged(
        self, train: RetrievalExamples, epoch: int, checkpoint: Checkpoint | None
    ) -> ConfigError:
        step = int(self._finite_steps.numpy())
        broken = self._not_finite()
        part = f"the weights `{broken[0]}`" if broken else "the training loss"
        return ConfigError(
            f"Infinite values or NaN in {part}: the training loss is not a finite "
            f"number any more (stage `{self._stage(epoch)}`, epoch {epoch}, step {step + 1}, "
            f"learning rate {float(self._optimizer.learning_rate.numpy()):g}, seed "
            f"{self._params.seed}).",
            where="training",
            fix=mended_by(self._params, checkpoint),
        )
