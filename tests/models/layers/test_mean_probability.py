import pathlib

import numpy as np
from layer_battery import check_layer

from clickwright.models.layers.mean_probability import MeanProbability


def test_the_sigmoid_of_the_output_is_the_mean_of_the_probabilities() -> None:
    z = np.random.default_rng(1).normal(0, 3, (40, 3)).astype(np.float32)
    probabilities = 1 / (1 + np.exp(-z.astype(np.float64)))
    got = 1 / (1 + np.exp(-np.asarray(MeanProbability()(z), np.float64)[:, 0]))
    np.testing.assert_allclose(got, probabilities.mean(1), rtol=1e-5)
    assert (got >= probabilities.min(1)).all() and (got <= probabilities.max(1)).all()


def test_the_layer_passes_the_battery(tmp_path: pathlib.Path) -> None:
    z = np.random.default_rng(2).normal(size=(6, 3)).astype(np.float32)
    check_layer(MeanProbability, z, (6, 1), tmp_path)
