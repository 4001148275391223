import functools
import pathlib

import numpy as np
import pytest
from layer_battery import check_layer

from clickwright.models.layers.pair_networks import PairNetworks

RANDOM = np.random.default_rng(0)
EMBEDDINGS = RANDOM.normal(size=(4, 3, 2)).astype(np.float32)
PAIRS = ((0, 1), (0, 2), (1, 2))


def randomized(layer: PairNetworks) -> PairNetworks:
    layer(EMBEDDINGS)
    layer.set_weights([RANDOM.normal(size=w.shape) for w in layer.get_weights()])
    return layer


@pytest.mark.parametrize("product", [True, False])
def test_pair_networks_pass_the_battery(product: bool, tmp_path: pathlib.Path) -> None:
    make = functools.partial(PairNetworks, (5, 2), product=product)
    check_layer(make, EMBEDDINGS, (4, 6), tmp_path)


def test_pair_networks_equal_a_loop_over_examples_and_pairs() -> None:
    layer = randomized(PairNetworks((5, 2)))
    k0, b0, s0, t0, k1, b1, s1, t1 = (
        np.asarray(w, np.float64)
        for n in (0, 1)
        for w in (layer.kernels[n], layer.biases[n], layer.scales[n], layer.shifts[n])
    )

    def normalized(x: np.ndarray) -> np.ndarray:
        return (x - x.mean()) / np.sqrt(x.var() + 1e-5)

    want = []
    for e in EMBEDDINGS.astype(np.float64):
        pairs = [np.concatenate([e[i], e[j], e[i] * e[j]]) for i, j in PAIRS]
        x = np.stack([pairs[p] @ k0[p] + b0[p, 0] for p in range(3)])
        x = np.maximum(normalized(x) * s0 + t0, 0)
        x = np.stack([x[p] @ k1[p] + b1[p, 0] for p in range(3)])
        want.append((normalized(x) * s1 + t1).ravel())
    np.testing.assert_allclose(layer(EMBEDDINGS), want, rtol=1e-4, atol=1e-5)


def test_ones_on_the_product_alone_give_inner_products() -> None:
    layer = PairNetworks((1,), layer_norm=False)
    layer.build(EMBEDDINGS.shape)
    kernel = np.zeros((3, 6, 1))
    kernel[:, 4:] = 1.0
    layer.set_weights([kernel, np.zeros((3, 1, 1))])
    want = [[e[i] @ e[j] for i, j in PAIRS] for e in EMBEDDINGS]
    np.testing.assert_allclose(layer(EMBEDDINGS), want, rtol=1e-5, atol=1e-6)


def test_an_example_is_normalized_over_its_pairs_and_units_together() -> None:
    output = np.asarray(PairNetworks((3,))(1e3 * EMBEDDINGS))
    np.testing.assert_allclose(output.mean(axis=1), 0.0, atol=1e-5)
    np.testing.assert_allclose(output.std(axis=1), 1.0, atol=1e-3)


def test_the_networks_share_scales_and_shifts_and_nothing_else() -> None:
    layer = PairNetworks()
    layer.build((None, 10, 10))
    want = 45 * (30 * 20 + 20) + 2 * 20 + 45 * (20 + 1) + 2
    assert layer.count_params() == want == 28_887


def test_pair_networks_want_units_and_pairs() -> None:
    with pytest.raises(ValueError, match="`units` must be positive"):
        PairNetworks(())
    with pytest.raises(ValueError, match="at least two fields"):
        PairNetworks()(np.zeros((2, 1, 3), np.float32))
