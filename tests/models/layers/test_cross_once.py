"""Cross layers of a user and many items, against the same layers on rows."""

import keras
import numpy as np
import pytest

from clickwright.models.layers.cross_once import CrossOnce
from clickwright.models.layers.mlp import MLP

WIDTH = 11
ITEMS = (1, 2, 6, 10)
USERS = tuple(place for place in range(WIDTH) if place not in ITEMS)
COUNT = 5


def on_rows(
    crosses: list[keras.layers.Dense], x: np.ndarray
) -> np.ndarray:  # [N, WIDTH], in float64
    crossed = x
    for cross in crosses:
        kernel, bias = (np.asarray(w, np.float64) for w in cross.get_weights())
        crossed = x * (crossed @ kernel + bias) + crossed
    return crossed


def crosses_of(depth: int) -> list[keras.layers.Dense]:
    layers = []
    for n in range(depth):
        layer = keras.layers.Dense(WIDTH, bias_initializer="normal")
        layer.build((None, WIDTH))
        layers.append(layer)
        assert np.any(layer.get_weights()[1]), n
    return layers


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize(("before", "after"), [(0, 0), (3, 0), (0, 2), (3, 2)])
def test_crosses_and_what_reads_them_equal_those_of_rows(
    depth: int, before: int, after: int
) -> None:
    keras.utils.set_random_seed(depth)
    generator = np.random.default_rng(depth)
    crosses = crosses_of(depth)
    dense = keras.layers.Dense(7, activation="tanh", bias_initializer="normal")
    dense.build((None, before + WIDTH + after))
    user = generator.normal(size=(1, len(USERS))).astype(np.float32)
    item = generator.normal(size=(COUNT, len(ITEMS))).astype(np.float32)
    sides = [
        generator.normal(size=(COUNT, width)).astype(np.float32)
        for width in (before, after)
    ]
    x = np.empty((COUNT, WIDTH))
    x[:, USERS], x[:, ITEMS] = user, item
    kernel, bias = (np.asarray(w, np.float64) for w in dense.get_weights())
    rows = np.concatenate([sides[0], on_rows(crosses, x), sides[1]], axis=1)

    layer = CrossOnce(crosses, dense, USERS, ITEMS, before)
    given = [user, item, *(side for side in sides if side.shape[1])]
    got = np.asarray(layer(given))

    np.testing.assert_allclose(got, np.tanh(rows @ kernel + bias), atol=2e-5)
    assert layer.compute_output_shape([x.shape for x in given]) == (COUNT, 7)


def test_a_tower_goes_on_from_the_crosses() -> None:
    keras.utils.set_random_seed(1)
    generator = np.random.default_rng(1)
    crosses = crosses_of(2)
    tower = MLP((6, 3))
    tower.build((None, WIDTH))
    user = generator.normal(size=(1, len(USERS))).astype(np.float32)
    item = generator.normal(size=(COUNT, len(ITEMS))).astype(np.float32)
    x = np.empty((COUNT, WIDTH))
    x[:, USERS], x[:, ITEMS] = user, item

    got = np.asarray(CrossOnce(crosses, tower, USERS, ITEMS)([user, item]))

    want = np.asarray(tower(on_rows(crosses, x).astype(np.float32), training=False))
    np.testing.assert_allclose(got, want, atol=2e-5)
