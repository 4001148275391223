import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import row_reference
import tensorflow as tf
from row_reference import CASES, CHECKS, close, expected, gradients, make_steps

from clickwright.models.optimizers.composite_optimizer import CompositeOptimizer
from clickwright.models.optimizers.lazy_adam import LazyAdam
from clickwright.models.optimizers.lazy_adamw import LazyAdamW
from clickwright.models.optimizers.lazy_ftrl import LazyFtrl
from clickwright.models.optimizers.rowwise_adagrad import RowwiseAdagrad

ROOT = pathlib.Path(__file__).resolve().parents[3]
ALL = [LazyAdam, LazyAdamW, RowwiseAdagrad, LazyFtrl]


def make_embedding_model(rows: int = 30) -> keras.Model:
    ids = keras.Input((4,), dtype="int64")
    embedded = keras.layers.Embedding(rows, 3, name="table")(ids)
    probability = keras.layers.Dense(1, activation="sigmoid")(
        keras.layers.Flatten()(embedded)
    )
    return keras.Model(ids, probability)


def make_batch(rows: int = 10) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 20, (rows, 4)), rng.integers(0, 2, rows).astype(np.float32)


@pytest.mark.parametrize("form", ["slices", "dense"])
@pytest.mark.parametrize(("case", "settings"), CHECKS, ids=str)
def test_steps_are_those_of_plain_loops_over_rows(
    case: str, form: str, settings: dict[str, Any]
) -> None:
    row_reference.check(case, form, settings)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_steps_are_the_same_on_other_backends(backend: str) -> None:
    pytest.importorskip(backend)
    done = subprocess.run(
        [sys.executable, row_reference.__file__],
        env={**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"{backend}: {2 * len(CHECKS)} checks" in done.stdout


@pytest.mark.parametrize(
    ("lazy", "stock"),
    [
        (LazyAdam(0.1), keras.optimizers.Adam(0.1)),
        (LazyAdamW(0.1), keras.optimizers.AdamW(0.1)),
        (
            LazyFtrl(
                0.1,
                initial_accumulator_value=0.1,
                l1_regularization_strength=0.2,
                l2_regularization_strength=0.3,
            ),
            keras.optimizers.Ftrl(
                0.1, l1_regularization_strength=0.2, l2_regularization_strength=0.3
            ),
        ),
    ],
    ids=["adam", "adamw", "ftrl"],
)
def test_where_all_rows_are_touched_the_steps_are_those_of_keras(
    lazy: Any, stock: Any
) -> None:
    rng = np.random.default_rng(0)
    tables = [keras.Variable(np.ones((5, 3), np.float32)) for _ in range(2)]
    for _ in range(4):
        gradient = tf.constant(rng.normal(size=(5, 3)).astype(np.float32))
        lazy.apply([gradient], tables[:1])
        stock.apply([gradient], tables[1:])
    one, other = map(np.array, tables)
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_an_id_that_occurs_often_takes_one_step_not_its_root_of_them() -> None:
    # Keras adds the squares of eight equal gradients, 8 g^2, where the square of their
    # sum is 64 g^2, and so takes a step that is sqrt(8) times too long.
    moved = []
    for optimizer in (LazyAdam(0.01), keras.optimizers.Adam(0.01)):
        table = keras.Variable(np.zeros((3, 2), np.float32))
        optimizer.apply(
            [
                tf.IndexedSlices(
                    tf.ones((8, 2)), tf.ones(8, tf.int32), tf.constant([3, 2])
                )
            ],
            [table],
        )
        moved.append(-float(np.array(table)[1, 0]))
    assert moved == pytest.approx([0.01, 0.01 * np.sqrt(8)], rel=1e-3)


@pytest.mark.parametrize("make", ALL)
def test_a_row_that_is_not_looked_up_does_not_move(make: Callable[..., Any]) -> None:
    table = keras.Variable(np.ones((3, 2), np.float32))
    optimizer = make(0.1, l2=0.5, weight_decay=0.1)
    for row in (0, 1, 1):
        gradient = tf.IndexedSlices(tf.ones((1, 2)), [row], tf.constant([3, 2]))
        optimizer.apply([gradient], [table])
        if row == 0:
            first = np.array(table)
    after = np.array(table)
    np.testing.assert_array_equal(after[2], [1.0, 1.0])
    # What is left of the momentum of row 0 does not carry it on.
    np.testing.assert_array_equal(after[0], first[0])
    assert np.all(after[1] < first[1])


def test_without_row_steps_the_first_step_of_a_late_row_is_not_corrected() -> None:
    lengths = []
    for row_steps in (True, False):
        table = keras.Variable(np.zeros((2, 1), np.float32))
        optimizer = LazyAdam(0.1, row_steps=row_steps)
        for row in [0] * 9 + [1]:
            gradient = tf.IndexedSlices(tf.ones((1, 1)), [row], tf.constant([2, 1]))
            optimizer.apply([gradient], [table])
        lengths.append(-float(np.array(table)[1, 0]))
    t = 10
    uncorrected = 0.1 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * 0.1 / np.sqrt(0.001)
    assert lengths == pytest.approx([0.1, uncorrected], rel=1e-4)


def test_a_lower_rate_shortens_the_steps_of_ftrl_and_moves_nothing_else() -> None:
    table = keras.Variable(np.zeros((1, 1), np.float32))
    optimizer = LazyFtrl(1.0)
    seen = []
    for rate in (1.0, 1.0, 0.1):
        optimizer.learning_rate = rate
        optimizer.apply([tf.ones((1, 1))], [table])
        seen.append(float(np.array(table)[0, 0]))
    # Each step is the rate over the root of the sum of squares.
    want = np.cumsum([-1.0, -1 / np.sqrt(2), -0.1 / np.sqrt(3)])
    np.testing.assert_allclose(seen, want, rtol=1e-5)


def test_a_gradient_that_is_not_finite_skips_the_step_and_touches_no_state() -> None:
    variables = row_reference.make_variables()
    inner = LazyAdam(0.1, l2=0.25, global_clipnorm=0.5)
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=8.0)
    optimizer.build(variables)
    step = tf.function(lambda *g: optimizer.apply(list(g), variables))
    good = make_steps()
    for n, at in enumerate(good):
        scaled = row_reference.Step(at.rows, at.values * 8, at.bias * 8)
        if n == 2:
            before = [np.array(v) for v in (*variables, *inner.variables)]
            bad = gradients(at, "slices")
            infinite = tf.IndexedSlices(
                bad[0].values * np.inf, bad[0].indices, bad[0].dense_shape
            )
            step(infinite, bad[1])
            after = [np.array(v) for v in (*variables, *inner.variables)]
            for one, other in zip(before, after, strict=True):
                np.testing.assert_array_equal(one, other)
            assert float(optimizer.dynamic_scale) == 4.0
            optimizer.dynamic_scale.assign(8.0)
        step(*gradients(scaled, "slices"))
    want, _ = expected(CASES["lazy_adam"][1], good, l2=0.25, global_clipnorm=0.5)
    close(variables, want)


@pytest.mark.parametrize("make", ALL)
def test_config_and_state_survive_a_round_trip(
    make: Callable[..., Any], tmp_path: pathlib.Path
) -> None:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    first = make(schedule, l2={"table": 0.1}, global_clipnorm=2.0)
    config = first.get_config()
    again = type(first).from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config

    model = make_embedding_model()
    model.compile(make(0.1, l2=0.01), "binary_crossentropy", jit_compile=False)
    model.fit(*make_batch(), batch_size=4, epochs=2, verbose=0)  # 4, 4 and 2 rows
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for m in (model, loaded):
        m.fit(*make_batch(), batch_size=10, verbose=0)
    for one, other in zip(
        [*model.variables, *model.optimizer.variables],
        [*loaded.variables, *loaded.optimizer.variables],
        strict=True,
    ):
        # Rows are shuffled anew, and sums of floats depend on their order.
        np.testing.assert_allclose(np.array(one), np.array(other), rtol=1e-4, atol=1e-6)


def test_xla_takes_the_same_steps() -> None:
    weights = []
    for jit_compile in (False, True):
        keras.utils.set_random_seed(0)
        model = make_embedding_model()
        model.compile(
            LazyAdam(0.1, l2=0.01, global_clipnorm=0.1),
            "binary_crossentropy",
            jit_compile=jit_compile,
        )
        model.fit(*make_batch(), batch_size=10, epochs=3, verbose=0, shuffle=False)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("composite", [False, True])
def test_a_sparse_step_computes_nothing_of_the_size_of_the_table(
    make: Callable[..., Any], composite: bool
) -> None:
    rows, width, n = 5003, 3, 11
    table = keras.Variable(np.zeros((rows, width), np.float32), name="table")
    bias = keras.Variable(np.zeros(width, np.float32), name="bias")
    clipping = {"global_clipnorm": 1.0}
    if composite:
        optimizer: Any = CompositeOptimizer(
            keras.optimizers.Adam(), make(l2=0.1), ["table"], **clipping
        )
    else:
        optimizer = make(l2=0.1, **clipping)
    optimizer.build([table, bias])

    def step(values: Any, ids: Any, bias_gradient: Any) -> None:
        slices = tf.IndexedSlices(values, ids, tf.constant([rows, width]))
        optimizer.apply([slices, bias_gradient], [table, bias])

    graph = (
        tf.function(step)
        .get_concrete_function(
            tf.TensorSpec([None, width]), tf.TensorSpec([None], tf.int32), bias.value
        )
        .graph
    )
    large = [
        f"{op.type} {output.shape}"
        for op in graph.get_operations()
        for output in op.outputs
        if output.shape.rank and rows in output.shape.as_list()
    ]
    assert large == []
    kinds = {op.type for op in graph.get_operations()}
    assert {"ResourceGather", "ResourceScatterUpdate"} <= kinds
    # The check sees what it looks for.
    dense = tf.function(lambda: table * 2.0).get_concrete_function().graph
    assert any(
        rows in out.shape.as_list()
        for op in dense.get_operations()
        for out in op.outputs
        if out.shape.rank
    )
    step(tf.ones([n, width]), tf.range(n), tf.ones(width))
    assert np.count_nonzero(np.array(table).any(axis=1)) == n


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LazyAdam(l2=-1.0), "`l2` must not be negative. Received: -1.0"),
        (lambda: LazyAdam(l2={"a": -1.0}), "`l2` must not be negative"),
        (lambda: LazyAdam(beta_1=1.0), r"`beta_1` must be in \[0, 1\). Received: 1.0"),
        (
            lambda: RowwiseAdagrad(initial_accumulator_value=-1.0),
            "`initial_accumulator_value` must not be negative. Received: -1.0",
        ),
        (
            lambda: LazyFtrl(l1_regularization_strength=-1.0),
            "`l1_regularization_strength` must not be negative. Received: -1.0",
        ),
    ],
)
def test_wrong_arguments_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_gradients_and_variables_must_be_as_many() -> None:
    variables = row_reference.make_variables()
    with pytest.raises(ValueError, match="each of the 2 variables. Received: 1."):
        LazyAdam().apply([tf.zeros((7, 3))], variables)
