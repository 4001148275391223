import json
import logging
import os
import pathlib
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from training_rows import build, make_params, make_rows, make_trainer, values

from clickwright.models import registry
from clickwright.models.optimizers.composite_optimizer import CompositeOptimizer
from clickwright.models.optimizers.lazy_adam import LazyAdam
from clickwright.models.optimizers.lazy_adamw import LazyAdamW
from clickwright.models.optimizers.lazy_ftrl import LazyFtrl
from clickwright.models.optimizers.rowwise_adagrad import RowwiseAdagrad
from clickwright.models.training import optimizer as choice
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.trainer import Trainer
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput

# `embeddings`, of 35 rows of 4, and the linear term's, of 35 rows of 1.
WIDE, NARROW = 140, 35


def updates(model: keras.Model, **params: Any) -> dict[int, bool]:
    """By the values of a table, whether it gets sparse updates."""
    return {
        int(np.prod(t.variable.shape)): t.sparse
        for t in choice.choose_updates(model, make_params(**params))
    }


def test_a_table_gets_sparse_updates_from_a_million_values_on() -> None:
    def model(rows: int) -> keras.Model:
        inputs = (ModelInput("item", "id", "item", "item", rows),)
        return registry.build("deepfm", inputs, {"embedding_dim": 10})

    assert updates(model(99_999)) == {999_990: False, 99_999: False}
    assert updates(model(100_000)) == {1_000_000: True, 100_000: False}


def test_the_choice_is_told_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(choice, "SPARSE_VALUES", 100)
    with caplog.at_level(logging.INFO, "clickwright.progress"):
        assert updates(build()) == {WIDE: True, NARROW: False}
        updates(build(), table_updates="dense")
    auto_sparse, auto_dense, *asked = [r.getMessage() for r in caplog.records]
    if "linear" in auto_sparse:
        auto_sparse, auto_dense = auto_dense, auto_sparse
    assert "`embeddings/embeddings`, 35 rows of 4: sparse updates" in auto_sparse
    assert "(100 values or more)" in auto_sparse
    assert "35 rows of 1: dense updates" in auto_dense
    assert "(fewer than 100 values)" in auto_dense
    assert all("dense updates" in a and "`table_updates`" in a for a in asked)


def test_a_penalty_other_than_l2_keeps_a_table_dense(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choice, "SPARSE_VALUES", 1)
    model = build()
    model.get_layer("embeddings").embeddings.regularizer = keras.regularizers.L1(0.1)
    assert updates(model) == {WIDE: False, NARROW: True}
    with pytest.raises(ConfigError, match="`embeddings/embeddings` has a penalty"):
        updates(model, table_updates="sparse")


@pytest.mark.parametrize(
    ("name", "dense", "lazy"),
    [
        ("adam", keras.optimizers.Adam, LazyAdam),
        ("adamw", keras.optimizers.AdamW, LazyAdamW),
        ("adagrad", keras.optimizers.Adagrad, RowwiseAdagrad),
        ("ftrl", LazyFtrl, LazyFtrl),
    ],
)
def test_sparse_tables_follow_the_lazy_form_of_the_rule(
    name: str, dense: type, lazy: type
) -> None:
    model = build(l2=0.3)

    def made(updates: str) -> Any:
        params = make_params(optimizer=name, table_updates=updates, learning_rate=0.2)
        return choice.make_optimizer(params, choice.choose_updates(model, params))

    sparse = made("sparse")
    assert isinstance(sparse, CompositeOptimizer)
    assert sparse.global_clipnorm == 10.0
    assert type(sparse.dense_optimizer) is dense
    assert type(sparse.table_optimizer) is lazy
    assert len(sparse.tables) == 2
    table = model.get_layer("embeddings").embeddings
    assert sparse.l2_of(table) == pytest.approx(0.3)
    plain = made("dense")
    if name == "ftrl":
        assert plain.l2_of(table) == 0.0
    else:
        assert type(plain) is dense
        assert plain.global_clipnorm == 10.0


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"weight_decay": 0.1}, "`weight_decay` goes with `optimizer: adamw` alone"),
        ({"l1": 0.1, "optimizer": "adam"}, "`l1` goes with `optimizer: ftrl` alone"),
        ({"optimizer": "sgd"}, "Input should be 'adam', 'adamw', 'adagrad' or 'ftrl'"),
        ({"table_updates": "lazy"}, "Input should be 'auto', 'dense' or 'sparse'"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(
    params: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        TrainingParams(**params)


def test_penalties_of_sparse_tables_are_left_out_for_a_moment() -> None:
    model = build(l2=0.3)
    tables = choice.choose_updates(model, make_params(table_updates="sparse"))
    assert len(model.losses) == 2
    with choice.without_penalties(tables):
        assert model.losses == []
    assert len(model.losses) == 2


@pytest.mark.parametrize("clip", [10.0, 0.01])
def test_where_batches_look_all_rows_up_sparse_training_is_dense_training(
    clip: float,
) -> None:
    # So the penalty, the order of clipping and the rule itself are the same.
    rng = np.random.default_rng(0)
    order = np.arange(66)
    examples = InMemoryExamples(
        {
            "user": order % 12,
            "item": order % 22,
            "price": rng.normal(size=66).astype(np.float32),
        },
        order % 3 == 0,
    )
    trained = []
    for updates in ("dense", "sparse"):
        trainer = make_trainer(
            model={"l2": 0.5, "dropout": 0.0, "batch_norm": False},
            table_updates=updates,
            batch_size=66,
            epochs=3,
            learning_rate=0.05,
            global_clipnorm=clip,
        )
        trainer.train(examples, examples)
        trained.append(values(trainer))
    for one, other in zip(*trained, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
@pytest.mark.parametrize("name", ["adam", "adamw", "adagrad", "ftrl"])
def test_sparse_training_learns_and_leaves_other_rows_alone(
    name: str, precision: str
) -> None:
    trainer = make_trainer(
        optimizer=name,
        table_updates="sparse",
        precision=precision,
        learning_rate=0.01 if name.startswith("adam") else 0.1,
        epochs=6,
    )
    table = trainer.model.get_layer("embeddings").embeddings
    before = np.array(table)
    records = trainer.train(make_rows(600, 0), make_rows(300, 1))
    after = np.array(table)
    # No batch looks up user 0 or item 0, the rows of missing values.
    still = [0, 12]
    moved = np.delete(np.arange(35), still)
    np.testing.assert_array_equal(after[still], before[still])
    assert np.all(np.any(after[moved] != before[moved], axis=1))
    assert max(r.valid_auc or 0.0 for r in records) > 0.7


def test_the_l1_of_ftrl_makes_weights_exactly_zero() -> None:
    zeros = []
    for l1 in (0.0, 0.5):
        trainer = make_trainer(
            "logistic_regression",
            optimizer="ftrl",
            l1=l1,
            learning_rate=0.1,
            epochs=3,
        )
        trainer.train(make_rows(600, 0), make_rows(300, 1))
        table = np.array(trainer.model.get_layer("linear").weights_table.embeddings)
        zeros.append(int(np.sum(table == 0)))
    assert zeros[0] == 2 < zeros[1]


def test_the_step_of_a_sparse_trainer_computes_nothing_of_the_size_of_a_table() -> None:
    rows = 5003
    inputs = (
        ModelInput("item", "id", "item", "item", rows),
        ModelInput("history", "sequence", "item", "item", rows, 5),
        ModelInput("price", "value", "item"),
    )
    params = make_params(table_updates="sparse")
    model = registry.build("deepfm", inputs, {"embedding_dim": 4, "hidden_units": [8]})
    trainer = Trainer(model, params)

    def step(features: Any, labels: Any, weights: Any) -> None:
        trainer._apply(trainer._gradients(features, labels, weights)[1])

    graph = (
        tf.function(step)
        .get_concrete_function(
            {
                "item": tf.TensorSpec([None], tf.int64),
                "history": tf.TensorSpec([None, 5], tf.int64),
                "price": tf.TensorSpec([None], tf.float32),
            },
            tf.TensorSpec([None], tf.float32),
            tf.TensorSpec([None], tf.float32),
        )
        .graph
    )
    large = [
        f"{op.type} {output.shape}"
        for op in graph.get_operations()
        for output in op.outputs
        if output.shape.rank and rows + 1 in output.shape.as_list()
    ]
    assert tuple(model.get_layer("embeddings").embeddings.shape) == (rows + 1, 4)
    assert large == []


SCRIPT = """
import json, sys
import keras, tensorflow as tf
cpus = tf.config.list_physical_devices("CPU")
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpus[0], two)
from training_rows import build, make_params, make_rows
from clickwright.models.training.placement import placement
from clickwright.models.training.trainer import Trainer

found = []
for strategy in ("none", "mirrored"):
    params = make_params(
        epochs=2, strategy=strategy, device="cpu", table_updates="sparse",
        optimizer="adagrad", learning_rate=0.05, global_clipnorm=0.1)
    with placement(params):
        keras.utils.set_random_seed(0)
        model = build(batch_norm=False, dropout=0.0, l2=0.1)
        trainer = Trainer(model, params)
        trainer.train(make_rows(257, 0), make_rows(100, 1))
    weights = [v.numpy().tolist() for v in model.trainable_variables]
    found.append([trainer._replicas, weights])
print(json.dumps(found))
"""


def test_two_replicas_take_the_sparse_steps_of_one() -> None:
    tests = pathlib.Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "PYTHONPATH": str(tests)},
        check=True,
        capture_output=True,
        text=True,
    )
    (one, weights), (two, mirrored) = json.loads(done.stdout.splitlines()[-1])
    assert (one, two) == (1, 2)
    for a, b in zip(weights, mirrored, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
