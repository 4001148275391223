"""Learning, step by step and epoch by epoch."""

from typing import Any

import numpy as np
import pytest
from training_rows import make_params, make_rows, make_trainer, values

from clickwright.models import registry
from clickwright.models.metrics.auc import area_under_roc
from clickwright.models.training import trainer as trainer_module
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.trainer import Trainer
from clickwright.models.training.training_log import TrainingLog
from clickwright.schemas.model_input import ModelInput


def test_training_keeps_the_best_epochs_weights() -> None:
    trainer = make_trainer(epochs=30)
    train, valid = make_rows(600, 0), make_rows(300, 1, signal=-1.0)
    records = trainer.train(train, valid)
    aucs = [record.valid_auc or 0.0 for record in records]
    assert aucs[-1] < max(aucs)  # else the last epoch's weights would pass as well
    labels, probabilities, _ = trainer.predict(valid)
    assert area_under_roc(labels, probabilities) == max(aucs)


def test_a_scripted_training_follows_the_protocol(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    aucs = [0.70, 0.80, 0.75, 0.81, 0.80, 0.79, 0.99]
    script = iter(aucs)
    monkeypatch.setattr(trainer_module, "area_under_roc", lambda *_: next(script))
    trainer = make_trainer(epochs=7)
    before: list[list[np.ndarray[Any, Any]]] = []
    after: list[list[np.ndarray[Any, Any]]] = []

    class Rows(InMemoryExamples):
        def batches(self, *args: Any) -> Any:
            if len(args) > 1:  # not what validation reads
                before.append(values(trainer))
            yield from super().batches(*args)

    train = make_rows(300, 0)
    train.__class__ = Rows
    log = TrainingLog(None, make_params(), train.rows)
    monkeypatch.setattr(log, "epoch_ended", lambda _: after.append(values(trainer)))
    records = trainer.train(train, make_rows(200, 1), log=log)

    assert [record.valid_auc for record in records] == aucs[:6]
    rates = [record.learning_rate for record in records]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-3, 1e-4, 1e-4, 1e-5])
    for end, start in zip(after[:-1], before[1:], strict=True):
        equal(end, start)  # no epoch starts from earlier weights
    equal(values(trainer), after[3])


def equal(one: list[Any], other: list[Any]) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


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
    total, weight = trainer._train_on(
        arrays,
        np.array([1.0, 0.0, 0.0], np.float32),
        np.array([2.0, 0.5, 0.0], np.float32),
    )
    want = (2.0 * -np.log(p[0]) + 0.5 * -np.log1p(-p[1])) / 2.5
    assert weight == 2.5
    assert float(total) / 2.5 == pytest.approx(want, rel=1e-5)


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


def test_an_epoch_sees_every_row_once_in_an_order_of_its_own() -> None:
    examples = InMemoryExamples({"item": np.arange(1000)}, np.arange(1000) % 2)

    def order(seed: tuple[int, ...] | None) -> list[int]:
        batches = list(examples.batches(64, seed))
        assert [len(b.labels) for b in batches] == [64] * 15 + [40]
        return np.concatenate([b.features["item"] for b in batches]).tolist()

    assert order(None) == list(range(1000))
    assert sorted(order((0, 1))) == list(range(1000))
    assert order((0, 1)) == order((0, 1)) != order((0, 2))
