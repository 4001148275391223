from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from clickwright.models.losses.tri_cross_entropy import TriCrossEntropy

Y = np.array([1.0, 0, 1, 1, 0])
Z = np.random.default_rng(1).normal(0, 2, (5, 2))
W = np.array([1.0, 2.0, 0.5, 0.0, 1.0])


def mean_cross_entropy(z: Any) -> float:
    return float(np.average(np.logaddexp(0, z) - Y * z, weights=W))


def tri(whole: float, *each: float) -> float:
    return whole + sum(max(0.0, one - whole) * one for one in each)


def by_hand(z: Any) -> float:
    return tri(mean_cross_entropy(z.mean(1)), *map(mean_cross_entropy, z.T))


def test_the_reference_gives_the_worked_value() -> None:
    assert tri(0.4, 0.5, 0.35) == pytest.approx(0.45)


def test_the_loss_equals_its_definition() -> None:
    got = TriCrossEntropy()(*(v.astype(np.float32) for v in (Y, Z, W)))
    assert float(got) == pytest.approx(by_hand(Z), rel=1e-5)


def test_a_network_better_than_the_mean_adds_nothing() -> None:
    z = np.stack([4 * (2 * Y - 1), -(2 * Y - 1)], 1)
    good, whole = mean_cross_entropy(z[:, 0]), mean_cross_entropy(z.mean(1))
    bad = mean_cross_entropy(z[:, 1])
    assert good < whole < bad
    got = TriCrossEntropy()(*(v.astype(np.float32) for v in (Y, z, W)))
    assert float(got) == pytest.approx(whole + (bad - whole) * bad, rel=1e-5)


def test_gradients_run_through_the_factors() -> None:
    z = tf.constant(Z, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(z)
        loss = TriCrossEntropy()(
            tf.constant(Y, tf.float32), z, tf.constant(W, tf.float32)
        )
    got = tape.gradient(loss, z).numpy()
    want = np.zeros_like(Z)
    for at in np.ndindex(*Z.shape):
        up, down = Z.copy(), Z.copy()
        up[at] += 1e-5
        down[at] -= 1e-5
        want[at] = (by_hand(up) - by_hand(down)) / 2e-5
    np.testing.assert_allclose(got, want, rtol=2e-3, atol=1e-6)
