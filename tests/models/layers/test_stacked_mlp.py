import pathlib
from functools import partial

import keras
import numpy as np
import pytest
from layer_battery import check_layer

from clickwright.models.layers.mlp import MLP
from clickwright.models.layers.stacked_mlp import StackedMLP

X = np.random.default_rng(1).normal(size=(7, 6)).astype(np.float32)


def alone(layer: StackedMLP, copy: int) -> MLP:
    """A tower with the weights of one copy."""
    tower = MLP(layer.units, activation=layer.activation, batch_norm=layer.batch_norm)
    tower.build((None, X.shape[1]))
    for n in range(len(layer.units)):
        dense, *norm = [s for s in tower.steps if s.name.endswith(f"_{n}")]
        dense.set_weights([layer.kernels[n][copy], layer.biases[n][copy]])
        if layer.batch_norm:
            stacked = (layer.gammas, layer.betas, layer.means, layer.variances)
            norm[0].set_weights([s[n][copy] for s in stacked])
    return tower


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("copies", [1, 3])
def test_each_copy_is_a_tower_of_its_own(copies: int, batch_norm: bool) -> None:
    layer = StackedMLP(copies, (5, 4), activation="tanh", batch_norm=batch_norm)
    layer(X)
    generator = np.random.default_rng(2)
    for weight in layer.weights:
        weight.assign(weight + generator.uniform(0.1, 0.5, weight.shape))
    towers = [alone(layer, copy) for copy in range(copies)]
    for training in (False, True, False):  # the last by statistics that moved
        got = np.asarray(layer(X, training=training))
        for copy, tower in enumerate(towers):
            np.testing.assert_allclose(
                got[:, copy], tower(X, training=training), rtol=1e-4, atol=1e-5
            )


def test_copies_drop_out_independently() -> None:
    keras.utils.set_random_seed(1)
    layer = StackedMLP(2, (400,), activation="linear", batch_norm=False, dropout=0.5)
    layer(X)
    layer.kernels[0].assign(np.zeros((2, 6, 400)))
    layer.biases[0].assign(np.ones((2, 400)))
    kept = np.asarray(layer(X, training=True)) > 0
    assert kept.mean() == pytest.approx(0.5, abs=0.03)
    assert (kept[:, 0] == kept[:, 1]).mean() == pytest.approx(0.5, abs=0.04)


def test_dropout_goes_on_from_restored_variables() -> None:
    first, second = (StackedMLP(2, (5,), dropout=0.5) for _ in range(2))
    first(X, training=True)
    second(X)
    for old, new in zip(first.variables, second.variables, strict=True):
        new.assign(old)
    np.testing.assert_array_equal(first(X, training=True), second(X, training=True))


def test_kernels_start_glorot_normal_by_the_shape_of_a_copy() -> None:
    layer = StackedMLP(10, (400, 400))
    layer.build((None, 100))
    assert np.asarray(layer.kernels[0]).std() == pytest.approx(
        (2 / 500) ** 0.5, rel=0.02
    )
    assert np.asarray(layer.kernels[1]).std() == pytest.approx(
        (2 / 800) ** 0.5, rel=0.02
    )


@pytest.mark.parametrize(
    ("copies", "units", "says"),
    [(0, (4,), "`copies` must be at least 1"), (2, (), "`units` must hold")],
)
def test_arguments_out_of_range_are_refused(
    copies: int, units: tuple[int, ...], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        StackedMLP(copies, units)


def test_the_layer_passes_the_battery(tmp_path: pathlib.Path) -> None:
    check_layer(partial(StackedMLP, 3, (5, 4), dropout=0.1), X, (7, 3, 4), tmp_path)
