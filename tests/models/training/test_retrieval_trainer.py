"""Training by ranking the whole catalogue: stages, seeds, kills, what decides."""

import logging
import pathlib
from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import numpy as np
import pytest
from keras import ops

from clickwright.models.ragged_ids import RaggedIds
from clickwright.models.retrieval.retrieval_model import RetrievalModel
from clickwright.models.training.checkpoint import Checkpoint, State
from clickwright.models.training.epoch_record import EpochRecord
from clickwright.models.training.retrieval_examples import RetrievalExamples
from clickwright.models.training.retrieval_params import RetrievalTrainingParams
from clickwright.models.training.retrieval_trainer import RetrievalTrainer
from clickwright.models.training.training_log import TrainingLog
from clickwright.schemas.errors import ConfigError, DataError

ITEMS = 14
IS_ITEM = (np.arange(ITEMS) > 0) & (np.arange(ITEMS) < ITEMS - 1)
LENGTH = 4


class Toy(RetrievalModel):
    """The mean of the history asks for items, with dropout and random stages."""

    stages: ClassVar[tuple[str, ...]] = ("pretrain", "train")
    negatives_per_position = 2

    def __init__(self, width: int = 6) -> None:
        super().__init__(ITEMS, LENGTH)
        self.table = keras.layers.Embedding(ITEMS, width, name="table")
        self.other = keras.layers.Dense(width, use_bias=False, name="other")
        self.drop = keras.layers.Dropout(0.2)
        self.table.build((None,))
        self.other.build((None, width))
        self.counts: Any = None
        self.built = True

    def adapt(self, counts: Any) -> None:
        self.counts = counts

    def query(self, features: Mapping[str, Any], training: bool = False) -> Any:
        history = features["history"]
        real = ops.expand_dims(ops.cast(history > 0, "float32"), -1)
        x = self.drop(self.table(history), training=training)
        return ops.sum(x * real, 1) / ops.maximum(ops.sum(real, 1), 1.0)

    def item_matrix(self) -> Any:
        return ops.convert_to_tensor(self.table.embeddings)

    def item_bias(self) -> Any:
        return ops.zeros(ITEMS)

    def loss(
        self, batch: Mapping[str, Any], stage: str = "train", seed: Any = None
    ) -> Any:
        query = self.query(batch, training=True)
        if stage == "pretrain":
            noise = keras.random.normal(ops.shape(query), seed=self.seed_generator)
            return ops.mean(ops.square(self.other(query) - noise))
        positive = self.table(batch["target"][:, -1])
        negative = self.table(batch["negatives"][:, -1, 0])
        margin = ops.sum(query * (positive - negative), -1)
        return ops.mean(ops.softplus(-margin))


class OneStage(Toy):
    stages = ("train",)


def rows(seed: int, count: int = 40) -> RetrievalExamples:
    """The next item is mostly the one after the last."""
    rng = np.random.default_rng(seed)
    starts = rng.integers(1, ITEMS - 8, count)
    lengths = rng.integers(1, 7, count)
    values = np.concatenate(
        [start + np.arange(n) for start, n in zip(starts, lengths, strict=True)]
    )
    return RetrievalExamples(
        starts + lengths, IS_ITEM, RaggedIds.of_lengths(values, lengths)
    )


TRAIN, VALID = rows(0), rows(1)


def params(**given: Any) -> RetrievalTrainingParams:
    return RetrievalTrainingParams(
        **{
            "epochs": 4,
            "pretrain_epochs": 2,
            "batch_size": 16,
            "learning_rate": 0.05,
            "cutoffs": (1, 3),
            "monitor": "mrr@5",
            "tensorboard": "off",
            **given,
        }
    )


def trainer(model: type[Toy] = Toy, **given: Any) -> RetrievalTrainer:
    keras.utils.set_random_seed(3)
    return RetrievalTrainer(model(), params(**given))


def without_clock(records: tuple[EpochRecord, ...]) -> list[dict[str, Any]]:
    clock = {"seconds", "examples_per_second"}
    return [record.model_dump(exclude=clock) for record in records]


def values(model: keras.Model) -> list[np.ndarray]:
    return [v.numpy() for v in model.variables]


def test_the_last_stage_is_validated_and_its_best_epoch_stays() -> None:
    made = trainer(epochs=12)
    before = made.measure(VALID)
    records = made.train(TRAIN, VALID)
    assert [r.valid is None for r in records[:3]] == [True, True, False]
    assert made.model.counts.tolist() == TRAIN.target_counts(LENGTH).tolist()
    best = max((r for r in records if r.valid), key=lambda r: (r.valid or {})["mrr@5"])
    assert made.measure(VALID) == best.valid
    assert best.valid["mrr@5"] > 2 * before["mrr@5"]
    assert set(best.valid) == {
        *(f"{name}@{k}" for name in ("hr", "ndcg", "mrr", "recall") for k in (1, 3, 5)),
        "queries",
    }


def test_the_measure_is_a_count_over_the_models_own_scores() -> None:
    made = trainer()
    scores = np.array(made.model.scores(VALID.features(slice(None), LENGTH)))
    hits = 0
    for row in range(VALID.rows):
        seen = set(VALID.history.take([row]).values.tolist())
        own = int(VALID.item[row])
        others = [i for i in np.flatnonzero(IS_ITEM) if i not in seen and i != own]
        rank = 1 + sum(scores[row, i] >= scores[row, own] for i in others)
        hits += own not in seen and IS_ITEM[own] and rank <= 3
    assert made.measure(VALID)["hr@3"] == pytest.approx(hits / VALID.rows)


def test_each_stage_has_its_own_loss_and_the_optimizer_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = trainer(pretrain_epochs=3, epochs=2)
    seen: list[tuple[int, int]] = []
    real = made._epoch

    def watched(*args: Any) -> Any:
        seen.append((len(seen), int(made._optimizer.iterations.numpy())))
        other = made.model.other.kernel.numpy()
        part = real(*args)
        changed = not np.array_equal(other, made.model.other.kernel.numpy())
        assert changed == (args[1] <= 3)
        return part

    monkeypatch.setattr(made, "_epoch", watched)
    made.train(TRAIN, VALID)
    assert [steps for _, steps in seen] == [0, 3, 6, 0, 3]


def test_models_of_one_stage_have_no_epochs_before_it() -> None:
    records = trainer(OneStage, epochs=2).train(TRAIN, VALID)
    assert [r.valid is not None for r in records] == [True, True]


class Killing(Checkpoint):
    """Ends the training when it has been kept so many times."""

    def __init__(self, directory: pathlib.Path, after: int) -> None:
        super().__init__(directory)
        self._left = after

    def save(self, state: State) -> None:
        super().save(state)
        self._left -= 1
        if not self._left:
            raise KeyboardInterrupt


@pytest.mark.parametrize("kills", [(1, 1, 1), (3,), (7,), (8, 2), (11, 5)])
def test_a_training_killed_anywhere_ends_as_though_it_had_not_been(
    kills: tuple[int, ...], tmp_path: pathlib.Path
) -> None:
    rules: dict[str, Any] = {"checkpoint_steps": 1, "valid_every": 2}
    whole = trainer(**rules)
    wanted = whole.train(TRAIN, VALID)
    for after in kills:
        with pytest.raises(KeyboardInterrupt):
            trainer(**rules).train(TRAIN, VALID, Killing(tmp_path, after))
    made = trainer(**rules)
    found = made.train(TRAIN, VALID, Checkpoint(tmp_path))
    assert without_clock(found) == without_clock(wanted)
    for a, b in zip(values(made.model), values(whole.model), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_state_of_another_model_is_refused(tmp_path: pathlib.Path) -> None:
    trainer(epochs=1).train(TRAIN, VALID, Checkpoint(tmp_path))
    keras.utils.set_random_seed(3)
    other = RetrievalTrainer(Toy(width=5), params())
    with pytest.raises(DataError, match="of another model"):
        other.train(TRAIN, VALID, Checkpoint(tmp_path))


def test_training_stops_after_validations_without_gain() -> None:
    made = trainer(OneStage, epochs=50, early_stop=3, learning_rate=1e-12)
    records = made.train(TRAIN, VALID)
    assert len(records) == 4
    some = trainer(
        OneStage, epochs=50, early_stop=2, learning_rate=1e-12, valid_every=3
    )
    assert [r.epoch for r in some.train(TRAIN, VALID) if r.valid] == [3, 6, 9]


def test_the_last_epoch_is_validated_too() -> None:
    records = trainer(OneStage, epochs=4, valid_every=3).train(TRAIN, VALID)
    assert [r.epoch for r in records if r.valid] == [3, 4]


def test_a_loss_that_is_no_number_ends_the_training(tmp_path: pathlib.Path) -> None:
    class Breaking(OneStage):
        def loss(self, batch: Any, stage: str = "train", seed: Any = None) -> Any:
            loss = super().loss(batch, stage, seed)
            return ops.where(ops.any(batch["user"] == 7), np.nan, loss)

    made = trainer(Breaking)
    broken = rows(0)
    broken.user[5] = 7
    weights = values(made.model)
    with pytest.raises(ConfigError, match="stage `train`, epoch 1, step") as error:
        made.train(broken, VALID, Checkpoint(tmp_path))
    assert "lower `learning_rate`" in error.value.fix
    assert all(np.isfinite(v).all() for v in values(made.model))
    assert len(weights) == len(values(made.model))


def test_progress_says_stage_epochs_and_the_monitor(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "clickwright.progress")
    made = trainer(epochs=1)
    made.train(TRAIN, VALID, log=TrainingLog(None, params(), TRAIN.rows))
    details = [r.__dict__["detail"] for r in caplog.records if "detail" in r.__dict__]
    assert any(detail.startswith("epoch 3/3, valid mrr@5 0.") for detail in details)
    assert "validating" in details


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"monitor": "auc"}, "`monitor` must be one of hr, ndcg, mrr, recall"),
        ({"monitor": "ndcg@0"}, "`monitor` must be"),
        ({"cutoffs": ()}, "cutoffs"),
        ({"strategy": "mirrored"}, "does not go with retrieval"),
        ({"valid_every": 0}, "valid_every"),
    ],
)
def test_parameters_out_of_range_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        RetrievalTrainingParams(**given)
