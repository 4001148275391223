import keras
import numpy as np
import pytest

from clickwright.models.layers.negative_sampler import NegativeSampler

COUNTS = np.array([9.0, 4.0, 0.0, 16.0, 1.0])


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_items_are_drawn_as_their_counts_say(alpha: float) -> None:
    layer = NegativeSampler(5, alpha)
    layer.build()
    layer.count(COUNTS)
    drawn = np.asarray(layer.draw(40_000, keras.random.SeedGenerator(3)))
    assert drawn.dtype == np.int32
    shares = np.bincount(drawn, minlength=5) / len(drawn)
    want = np.array([0.0, 4.0**alpha, 0.0, 16.0**alpha, 1.0])
    np.testing.assert_allclose(shares, want / want.sum(), atol=0.01)


def test_before_counts_all_items_are_alike_and_padding_is_never_drawn() -> None:
    layer = NegativeSampler(5, 0.7)
    layer.build()
    drawn = np.asarray(layer.draw(20_000, keras.random.SeedGenerator(3)))
    shares = np.bincount(drawn, minlength=5) / len(drawn)
    np.testing.assert_allclose(shares, [0, 0.25, 0.25, 0.25, 0.25], atol=0.015)
    np.testing.assert_array_equal(layer.log_counts(np.arange(5)), np.zeros(5))


def test_logarithms_are_of_the_counts() -> None:
    layer = NegativeSampler(5, 0.5)
    layer.build()
    layer.count(COUNTS)
    np.testing.assert_allclose(
        layer(np.array([[1, 3], [2, 4]])), np.log([[4, 16], [1, 1]]), rtol=1e-6
    )


def test_draws_differ_and_come_again_from_the_same_seed() -> None:
    layer = NegativeSampler(100, 0.0)
    layer.build()
    seed = keras.random.SeedGenerator(5)
    first, second = layer.draw(50, seed), layer.draw(50, seed)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(layer.draw(50, keras.random.SeedGenerator(5)), first)


@pytest.mark.parametrize("counts", [np.ones(4), -COUNTS, np.array([5.0, 0, 0, 0, 0])])
def test_counts_that_say_nothing_are_refused(counts: np.ndarray) -> None:
    layer = NegativeSampler(5, 0.5)
    layer.build()
    with pytest.raises(ValueError, match="`counts` must"):
        layer.count(counts)
