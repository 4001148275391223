import json
import pathlib
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from row_reference import Step, close, gradients, make_steps, make_variables

from clickwright.models.optimizers.composite_optimizer import CompositeOptimizer
from clickwright.models.optimizers.lazy_adam import LazyAdam
from clickwright.models.optimizers.lazy_adamw import LazyAdamW
from clickwright.models.optimizers.rowwise_adagrad import RowwiseAdagrad


def make_composite(**settings: Any) -> CompositeOptimizer:
    return CompositeOptimizer(
        keras.optimizers.SGD(0.5), RowwiseAdagrad(0.1, l2=0.25), ["table"], **settings
    )


def expected(steps: list[Step], factors: list[float], **settings: Any) -> list[Any]:
    """Adagrad on the table and plain descent on the bias, by NumPy."""
    table, bias = (np.array(v, np.float64) for v in make_variables())
    squares = np.zeros((7, 1))
    for step, factor in zip(steps, factors, strict=True):
        g = np.zeros((7, 3))
        np.add.at(g, step.rows, step.values)
        moves = np.any(g != 0, axis=1, keepdims=True)
        g = np.where(moves, g + 0.25 * table, 0.0)
        norm = np.sqrt(np.sum(g**2) + np.sum(step.bias**2))
        clip = min(1.0, settings.get("global_clipnorm", np.inf) / norm)
        g, b = g * clip, step.bias * clip
        squares += np.mean(g**2, axis=1, keepdims=True)
        table -= factor * 0.1 * np.where(moves, g / (np.sqrt(squares) + 1e-8), 0.0)
        bias -= factor * 0.5 * b
    return [table, bias]


def test_each_group_moves_by_its_own_rule_and_all_are_clipped_together() -> None:
    variables = make_variables()
    optimizer = make_composite(global_clipnorm=0.5)
    step = tf.function(lambda *g: optimizer.apply(list(g), variables))
    optimizer.build(variables)
    for at in make_steps():
        step(*gradients(at, "slices"))
    close(variables, expected(make_steps(), [1.0] * 4, global_clipnorm=0.5))
    assert int(optimizer.iterations) == 4
    assert int(optimizer.table_optimizer.iterations) == 4


def test_setting_the_learning_rate_scales_both_groups() -> None:
    variables = make_variables()
    optimizer = make_composite()
    assert float(optimizer.learning_rate) == 0.5
    for n, at in enumerate(make_steps()):
        if n == 2:
            optimizer.learning_rate.assign(0.05)
        optimizer.apply(gradients(at, "slices"), variables)
    close(variables, expected(make_steps(), [1.0, 1.0, 0.1, 0.1]))


def test_each_group_follows_its_own_schedule() -> None:
    variables = make_variables()
    optimizer = CompositeOptimizer(
        keras.optimizers.SGD(
            keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.5, 0.0])
        ),
        RowwiseAdagrad(0.1),
        ["table"],
    )
    start = np.array(variables[1])
    seen = []
    for at in make_steps()[:3]:
        optimizer.apply(gradients(at, "slices"), variables)
        seen.append([np.array(v) for v in variables])
    assert float(optimizer.learning_rate) == 1.0
    np.testing.assert_allclose(
        seen[1][1], start - 0.5 * sum(s.bias for s in make_steps()[:2]), rtol=1e-5
    )
    np.testing.assert_array_equal(seen[1][1], seen[2][1])
    assert not np.array_equal(seen[1][0], seen[2][0])


def test_sparse_gradients_of_the_dense_group_are_made_dense() -> None:
    # Keras' Adam would add squares of duplicates.
    variables = make_variables()
    start = np.array(variables[1])
    optimizer = CompositeOptimizer(
        keras.optimizers.Adam(0.01), LazyAdam(0.01), ["table"]
    )
    twice = tf.IndexedSlices(tf.ones(4), [1, 1, 1, 1], tf.constant([2]))
    optimizer.apply([gradients(make_steps()[0], "slices")[0], twice], variables)
    np.testing.assert_allclose(
        start - np.array(variables[1]), [0.0, 0.01], rtol=1e-3, atol=1e-7
    )


def test_only_the_dense_groups_decay_hits_the_dense_group() -> None:
    variables = make_variables()
    start = np.array(variables[1])
    optimizer = CompositeOptimizer(
        keras.optimizers.AdamW(0.1, weight_decay=0.5),
        LazyAdamW(0.1, weight_decay=0.9),
        ["table"],
    )
    optimizer.apply([tf.zeros((7, 3)), tf.zeros(2)], variables)
    np.testing.assert_allclose(np.array(variables[1]), start * (1 - 0.1 * 0.5))


def test_it_scales_losses_within_keras_loss_scaling() -> None:
    variables = make_variables()
    optimizer = keras.optimizers.LossScaleOptimizer(
        make_composite(global_clipnorm=0.5), initial_scale=8.0
    )
    optimizer.build(variables)
    step = tf.function(lambda *g: optimizer.apply(list(g), variables))
    for at in make_steps(8.0):
        step(*gradients(at, "slices"))
    before = [np.array(v) for v in (*variables, *optimizer.inner_optimizer.variables)]
    step(gradients(make_steps()[0], "slices")[0], tf.constant([np.inf, 0.0]))
    after = [np.array(v) for v in (*variables, *optimizer.inner_optimizer.variables)]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    close(variables, expected(make_steps(), [1.0] * 4, global_clipnorm=0.5))


def test_its_variables_are_the_whole_state() -> None:
    def run(optimizer: Any, variables: Any, steps: list[Step]) -> None:
        for at in steps:
            optimizer.apply(gradients(at, "slices"), variables)

    def made() -> tuple[Any, Any]:
        variables = make_variables()
        optimizer = CompositeOptimizer(
            keras.optimizers.Adam(0.1), LazyAdam(0.1), ["table"], use_ema=True
        )
        optimizer.build(variables)
        return optimizer, variables

    steps = make_steps()
    whole, whole_variables = made()
    run(whole, whole_variables, steps)
    half, half_variables = made()
    run(half, half_variables, steps[:2])
    rest, rest_variables = made()
    assert len({id(v) for v in rest.variables}) == len(rest.variables)
    for to, of in zip(
        [*rest_variables, *rest.variables],
        [*half_variables, *half.variables],
        strict=True,
    ):
        to.assign(np.array(of))
    run(rest, rest_variables, steps[2:])
    for one, other in zip(
        [*whole_variables, *whole.variables],
        [*rest_variables, *rest.variables],
        strict=True,
    ):
        np.testing.assert_allclose(np.array(one), np.array(other), rtol=1e-6)


def test_config_and_state_survive_a_round_trip(tmp_path: pathlib.Path) -> None:
    ids = keras.Input((2,), dtype="int64")
    embedded = keras.layers.Embedding(9, 3, name="table")(ids)
    output = keras.layers.Dense(1)(keras.layers.Flatten()(embedded))
    model = keras.Model(ids, output)
    optimizer = CompositeOptimizer(
        keras.optimizers.AdamW(0.02),
        LazyAdam(0.1, l2=0.01),
        [model.get_layer("table").embeddings.path],
        global_clipnorm=1.0,
        gradient_accumulation_steps=2,
    )
    config = optimizer.get_config()
    again = CompositeOptimizer.from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config

    x, y = np.array([[1, 2], [1, 1], [3, 4]]), np.array([1.0, 0.0, 1.0])
    model.compile(optimizer, "mse", jit_compile=False)
    model.fit(x, y, batch_size=2, epochs=3, verbose=0)
    optimizer.learning_rate = 0.002
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert float(loaded.optimizer.learning_rate) == pytest.approx(0.002)
    for m in (model, loaded):
        m.fit(x, y, batch_size=3, epochs=2, verbose=0)
    for one, other in zip(
        [*model.variables, *model.optimizer.variables],
        [*loaded.variables, *loaded.optimizer.variables],
        strict=True,
    ):
        np.testing.assert_allclose(np.array(one), np.array(other), rtol=1e-4, atol=1e-6)


def test_settings_of_the_whole_are_refused_in_a_part() -> None:
    with pytest.raises(
        ValueError,
        match="`global_clipnorm` must be given to CompositeOptimizer itself. "
        "Received: global_clipnorm=1.0 in",
    ):
        CompositeOptimizer(
            keras.optimizers.Adam(global_clipnorm=1.0), LazyAdam(), ["table"]
        )


def test_tables_must_be_among_the_variables() -> None:
    optimizer = CompositeOptimizer(keras.optimizers.Adam(), LazyAdam(), ["tables"])
    with pytest.raises(ValueError, match="paths of variables. Received: tables."):
        optimizer.build(make_variables())
