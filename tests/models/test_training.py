import errno
import json
import logging
import pathlib
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from clickwright.models import registry
from clickwright.models.metrics.auc import area_under_roc
from clickwright.models.training.checkpoint import Checkpoint, State
from clickwright.models.training.epoch_record import EpochRecord
from clickwright.models.training.fingerprint import fingerprint
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.plateau import Plateau
from clickwright.models.training.trainer import Trainer
from clickwright.models.training.training_log import TrainingLog
from clickwright.schemas.errors import ConfigError, DataError, MachineError
from clickwright.schemas.model_input import ModelInput

INPUTS = (
    ModelInput("user", "id", "user", "user", 12),
    ModelInput("item", "id", "item", "item", 22),
    ModelInput("price", "value", "item"),
)
DEEP = {"embedding_dim": 4, "hidden_units": [8], "dropout": 0.3, "l2": 1e-4}
RECORD = EpochRecord(
    epoch=1,
    step=3,
    seconds=0.5,
    loss=0.6,
    valid_auc=0.7,
    valid_logloss=0.5,
    learning_rate=1e-3,
    examples_per_second=12_345.0,
)


def make_rows(rows: int, seed: int, signal: float = 1.0) -> InMemoryExamples:
    """Clicks that hang on all inputs; the other way round where `signal` is -1."""
    rng = np.random.default_rng(seed)
    user, item = rng.integers(1, 12, rows), rng.integers(1, 22, rows)
    price = rng.normal(size=rows).astype(np.float32)
    logit = 0.3 * (user - 6) + 0.2 * (item - 11) * np.sign(user - 6) - price
    clicks = rng.random(rows) < 1 / (1 + np.exp(-signal * logit))
    return InMemoryExamples({"user": user, "item": item, "price": price}, clicks)


def make_trainer(name: str = "deepfm", **params: Any) -> Trainer:
    settings = TrainingParams(**{"batch_size": 64, "epochs": 4, **params})
    keras.utils.set_random_seed(settings.seed)
    chosen = DEEP if name == "deepfm" else {"l2": 0.0}
    return Trainer(registry.build(name, INPUTS, chosen), settings)


def values(trainer: Trainer) -> list[np.ndarray[Any, Any]]:
    return [np.array(v) for v in trainer.model.variables]


def test_plateau_lowers_the_rate_at_once_and_stops_after_two_bad_epochs() -> None:
    plateau = Plateau(TrainingParams())
    seen = []
    for auc in (0.7, 0.8, 0.8 + 5e-7, 0.81, 0.80, 0.80):
        assert not plateau.stop
        best = plateau.update(auc)
        seen.append((best, plateau.learning_rate))
    assert plateau.stop
    # The third gain is below min_delta; the improvement after it does not raise the
    # rate again; the last two are bad in a row.
    assert [best for best, _ in seen] == [True, True, False, True, False, False]
    assert [rate for _, rate in seen] == pytest.approx(
        [1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-6]
    )


def test_plateau_keeps_the_rate_above_its_floor() -> None:
    plateau = Plateau(TrainingParams(early_stop=9))
    for _ in range(8):
        plateau.update(0.5)
    assert plateau.learning_rate == 1e-6


def test_training_keeps_the_best_epochs_weights() -> None:
    trainer = make_trainer(epochs=30)
    train, valid = make_rows(600, 0), make_rows(300, 1, signal=-1.0)
    records = trainer.train(train, valid)
    aucs = [record.valid_auc or 0.0 for record in records]
    assert aucs[-1] < max(aucs)  # else the last epoch's weights would pass as well
    labels, probabilities, _ = trainer.predict(valid)
    assert area_under_roc(labels, probabilities) == max(aucs)


def test_logistic_regression_learns_the_click_rates_of_one_field() -> None:
    # With one field and no penalty the maximum of the likelihood is known: the
    # click rate of each value.
    item = np.repeat([1, 2, 3], [100, 200, 400])
    clicks = np.concatenate(
        [np.arange(100) < 10, np.arange(200) < 100, np.arange(400) < 300]
    )
    examples = InMemoryExamples({"item": item}, clicks)
    inputs = (ModelInput("item", "id", "item", "item", 5),)
    params = TrainingParams(
        epochs=400, early_stop=400, learning_rate=0.05, learning_rate_decay=0.99
    )
    trainer = Trainer(
        registry.build("logistic_regression", inputs, {"l2": 0.0}), params
    )
    # The AUC is the same in all epochs, so the first would be kept as the best.
    best = []
    log = TrainingLog(None, params, examples.rows)
    log.epoch_ended = lambda record: best.append(trainer.predict(examples)[1])  # type: ignore[method-assign]
    trainer.train(examples, examples, log=log)
    rates = [best[-1][item == value][0] for value in (1, 2, 3)]
    np.testing.assert_allclose(rates, [0.1, 0.5, 0.75], atol=2e-3)


def test_the_loss_is_the_weighted_mean_over_rows_with_a_label() -> None:
    trainer = make_trainer("logistic_regression")
    features = {"user": [1, 2, 3], "item": [1, 1, 1], "price": [0.0, 1.0, 2.0]}
    trainer.model.get_layer("linear").weights_table.embeddings.assign(
        np.linspace(-1, 1, 35).reshape(-1, 1)
    )
    arrays = {name: np.array(v) for name, v in features.items()}
    arrays["price"] = arrays["price"].astype(np.float32)
    p = np.asarray(trainer.model(arrays)["probability"], np.float64)
    loss = trainer._train_on(
        arrays,
        np.array([1.0, 0.0, 0.0], np.float32),
        np.array([2.0, 0.5, 0.0], np.float32),
    )
    want = (2.0 * -np.log(p[0]) + 0.5 * -np.log1p(-p[1])) / 2.5
    assert float(loss) == pytest.approx(want, rel=1e-5)


def test_rows_without_a_label_teach_nothing() -> None:
    rows = 64
    features: dict[str, np.ndarray[Any, Any]] = {
        "user": np.arange(rows) % 11 + 1,
        "item": np.arange(rows) % 7 + 1,
        "price": np.zeros(rows, np.float32),
    }
    labels = (np.arange(rows) % 3 == 0).astype(np.float32)
    weights = (np.arange(rows) < 32).astype(np.float32)
    trained = []
    for flipped in (labels, np.where(weights > 0, labels, 1 - labels)):
        trainer = make_trainer("logistic_regression", epochs=2)
        examples = InMemoryExamples(features, flipped, weights)
        trainer.train(examples, examples)
        trained.append(values(trainer))
    for one, other in zip(*trained, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_id_that_occurs_often_takes_one_right_step_of_adam() -> None:
    # Adam's first step is the learning rate times the sign of the gradient, however
    # often the id occurs; adding squares instead of squaring the sum would make it
    # sqrt(8) times as long.
    features = {
        "user": np.full(8, 3),
        "item": np.arange(8) + 1,
        "price": np.zeros(8, np.float32),
    }
    trainer = make_trainer("logistic_regression", global_clipnorm=1e9)
    trainer._train_on(features, np.ones(8, np.float32), np.ones(8, np.float32))
    table = np.asarray(trainer.model.get_layer("linear").weights_table.embeddings)
    assert table[3, 0] == pytest.approx(1e-3, rel=1e-4)
    assert table[12 + 1, 0] == pytest.approx(1e-3, rel=1e-4)
    assert table[4, 0] == 0.0


def test_training_twice_gives_the_same_model() -> None:
    train, valid = make_rows(600, 0), make_rows(300, 1)
    first, second = make_trainer(), make_trainer()
    assert [r.valid_auc for r in first.train(train, valid)] == [
        r.valid_auc for r in second.train(train, valid)
    ]
    for one, other in zip(values(first), values(second), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


class Killed(BaseException):
    pass


class KillingLog(TrainingLog):
    """Stops the training right after an epoch's checkpoint, or within an epoch."""

    def __init__(self, *args: Any, epoch: int, within: bool) -> None:
        super().__init__(*args)
        self._kill_at = epoch
        self._within = within

    def epoch_ended(self, record: EpochRecord) -> None:
        if not self._within and record.epoch == self._kill_at:
            raise Killed
        super().epoch_ended(record)

    def step_ended(self, epoch: int, rows: int) -> bool:
        if self._within and epoch == self._kill_at and rows > 100:
            raise Killed
        return super().step_ended(epoch, rows)


# With valid rows turned round training is killed past its best epoch, whose weights must survive.
@pytest.mark.parametrize(("within", "signal"), [(False, -1.0), (True, 1.0)])
def test_a_killed_training_ends_as_though_it_had_never_stopped(
    tmp_path: pathlib.Path, within: bool, signal: float
) -> None:
    train, valid = make_rows(600, 0), make_rows(300, 1, signal)
    rules: dict[str, Any] = {"epochs": 6, "early_stop": 4}
    whole = make_trainer(**rules)
    wanted = whole.train(train, valid)
    best = max(wanted, key=lambda record: record.valid_auc or 0.0)
    assert signal > 0 or best.epoch < 3

    checkpoint = Checkpoint(tmp_path / "checkpoint")
    killer = KillingLog(None, *_log(rules), epoch=3, within=within)
    with pytest.raises(Killed):
        make_trainer(**rules).train(train, valid, checkpoint, killer)
    resumed = make_trainer(**rules)
    log = TrainingLog(tmp_path / "b", *_log(rules))
    records = resumed.train(train, valid, Checkpoint(checkpoint.directory), log)

    timeless = {"seconds", "examples_per_second"}
    assert [r.model_dump(exclude=timeless) for r in records] == [
        pytest.approx(r.model_dump(exclude=timeless), rel=1e-5) for r in wanted
    ]
    for one, other in zip(values(resumed), values(whole), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    lines = (tmp_path / "b" / "training_log.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [r.epoch for r in records]
    seconds = [json.loads(line)["seconds"] for line in lines]
    assert seconds == sorted(seconds)


def _log(rules: dict[str, Any]) -> tuple[TrainingParams, int]:
    return TrainingParams(**rules), 600


def test_a_finished_trainings_checkpoint_gives_its_model_at_once(
    tmp_path: pathlib.Path,
) -> None:
    train, valid = make_rows(600, 0), make_rows(300, 1)
    first = make_trainer()
    records = first.train(train, valid, Checkpoint(tmp_path))
    second = make_trainer()
    assert second.train(train, valid, Checkpoint(tmp_path)) == records
    for one, other in zip(values(first), values(second), strict=True):
        np.testing.assert_array_equal(one, other)


def test_checkpoints_come_back_as_they_were(tmp_path: pathlib.Path) -> None:
    arrays = [np.arange(6.0).reshape(2, 3), np.array(7, np.int64)]
    state = State(arrays, arrays[:1], arrays[::-1], (RECORD,))
    checkpoint = Checkpoint(tmp_path / "deep" / "er")
    assert checkpoint.load() is None
    checkpoint.save(state)
    found = checkpoint.load()
    assert found is not None and found.records == (RECORD,)
    for group in ("model", "optimizer", "best"):
        for one, other in zip(
            getattr(found, group), getattr(state, group), strict=True
        ):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype
    checkpoint.delete()
    assert not checkpoint.directory.exists()


def test_a_failing_write_leaves_the_last_checkpoint_whole(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = Checkpoint(tmp_path)
    checkpoint.save(State([np.zeros(3)], [], [np.zeros(3)], (RECORD,)))

    def full(file: Any, **arrays: Any) -> None:
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(MachineError, match="No space is left") as error:
        checkpoint.save(State([np.ones(3)], [], [np.ones(3)], (RECORD,)))
    assert str(tmp_path) in error.value.where
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]
    found = checkpoint.load()
    assert found is not None and found.model[0].tolist() == [0.0, 0.0, 0.0]


def test_a_damaged_checkpoint_is_refused_with_its_path(tmp_path: pathlib.Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    checkpoint.save(State([np.zeros(300)], [], [np.zeros(300)], (RECORD,)))
    file = tmp_path / "state.npz"
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(DataError, match="checkpoint is damaged") as error:
        checkpoint.load()
    assert error.value.where == str(file)


def test_the_fingerprint_changes_with_everything_but_the_folder(
    tmp_path: pathlib.Path,
) -> None:
    def lay(folder: str, rows: bytes = b"0123456789", vocabulary: str = "a") -> str:
        split = tmp_path / folder / "Split-train"
        graph = tmp_path / folder / "graph"
        for path in (split, graph / "assets"):
            path.mkdir(parents=True, exist_ok=True)
        (split / "part.gz").write_bytes(rows)
        (graph / "assets" / "item").write_text(vocabulary)
        settings = {"training": {"epochs": 3}}
        return fingerprint(settings, [split / "part.gz"], graph)

    here = lay("here")
    assert here == lay("there") and len(here) == 16
    assert here != lay("rows", rows=b"0123456780")
    assert here != lay("longer", rows=b"00123456789")
    assert here != lay("vocabulary", vocabulary="b")
    files, graph = [tmp_path / "here/Split-train/part.gz"], tmp_path / "here/graph"
    assert here == fingerprint({"training": {"epochs": 3}}, files, graph)
    assert here != fingerprint({"training": {"epochs": 4}}, files, graph)


def test_the_log_holds_one_object_an_epoch_and_tensorboards_scalars(
    tmp_path: pathlib.Path,
) -> None:
    log = TrainingLog(tmp_path, TrainingParams(), 100)
    log.epoch_ended(RECORD)
    log.epoch_ended(RECORD.model_copy(update={"epoch": 2, "valid_auc": None}))
    lines = (tmp_path / "training_log.jsonl").read_text().splitlines()
    first, second = map(json.loads, lines)
    assert list(first) == [
        "epoch",
        "step",
        "seconds",
        "loss",
        "valid_auc",
        "valid_logloss",
        "learning_rate",
        "examples_per_second",
    ]
    assert first == RECORD.model_dump()
    assert second["valid_auc"] is None
    (events,) = tmp_path.glob("events.out.tfevents.*")
    found = {
        (event.step, value.tag)
        for event in tf.compat.v1.train.summary_iterator(str(events))
        for value in event.summary.value
    }
    assert {(1, "valid_auc"), (2, "loss")} <= found
    assert (2, "valid_auc") not in found


def test_progress_says_rows_epoch_auc_and_speed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "clickwright.progress")
    log = TrainingLog(None, TrainingParams(epochs=20), 1000)
    assert log.step_ended(1, 64)
    assert not log.step_ended(1, 128)  # within a second of the one before
    log.epoch_ended(RECORD.model_copy(update={"epoch": 3}))
    first, second = caplog.records
    assert (first.rows, first.total) == (64, 20_000)  # type: ignore[attr-defined]
    assert second.rows == 3000  # type: ignore[attr-defined]
    detail = second.detail  # type: ignore[attr-defined]
    assert detail == "epoch 3/20, valid AUC 0.7000, 12k examples/s"


def test_a_diverging_training_stops_with_what_to_change() -> None:
    trainer = make_trainer(learning_rate=1e30)
    rows = make_rows(600, 0)
    with pytest.raises(ConfigError, match="not a finite number") as error:
        trainer.train(rows, rows)
    assert "learning_rate" in error.value.fix


def test_an_infinite_input_is_named() -> None:
    price = np.zeros(100, np.float32)
    price[7] = np.inf
    ids = np.ones(100, np.int64)
    examples = InMemoryExamples(
        {"user": ids, "item": ids, "price": price}, np.arange(100) % 2
    )
    with pytest.raises(DataError, match="`price` holds infinite values or NaN"):
        make_trainer().train(examples, examples)


def test_an_epoch_sees_every_row_once_in_an_order_of_its_own() -> None:
    examples = InMemoryExamples({"item": np.arange(1000)}, np.arange(1000) % 2)

    def order(seed: tuple[int, ...] | None) -> list[int]:
        batches = list(examples.batches(64, seed))
        assert [len(b.labels) for b in batches] == [64] * 15 + [40]
        return np.concatenate([b.features["item"] for b in batches]).tolist()

    assert order(None) == list(range(1000))
    assert sorted(order((0, 1))) == list(range(1000))
    assert order((0, 1)) == order((0, 1)) != order((0, 2))


@pytest.mark.parametrize(
    ("field", "value"), [("epochs", 0), ("optimizer", "adamw"), ("early_stopp", 3)]
)
def test_training_parameters_refuse_what_they_do_not_know(
    field: str, value: Any
) -> None:
    with pytest.raises(ValueError, match=field):
        TrainingParams(**{field: value})
