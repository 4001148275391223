"""Batch normalization folded into the dense layers of a trained model."""

import keras
import numpy as np
import pytest

from clickwright.models import registry
from clickwright.models.fold_norms import fold_norms
from clickwright.models.layers.batch_norm import BatchNorm
from clickwright.models.layers.mlp import MLP
from clickwright.models.scoring import scoring_model
from clickwright.schemas.model_input import ModelInput

INPUTS = (
    ModelInput("user", "id", "user", "user", 40),
    ModelInput("price", "value", "item"),
)


def trained(name: str) -> keras.Model:
    """A model with statistics and weights as training leaves them."""
    keras.utils.set_random_seed(0)
    model = registry.build(name, INPUTS, {"hidden_units": (8, 4), "dropout": 0.3})
    generator = np.random.default_rng(0)
    for variable in model.variables:
        if variable.path.endswith(("gamma", "moving_variance")):
            variable.assign(generator.uniform(0.3, 3.0, variable.shape))
        elif variable.dtype == "float32":
            variable.assign(generator.normal(0.0, 0.5, variable.shape))
    return scoring_model(model)


@pytest.mark.parametrize("name", ["deepfm", "dcnv2"])
def test_a_folded_model_scores_as_the_trained_one(name: str) -> None:
    model = trained(name)
    generator = np.random.default_rng(1)
    rows = {
        "user": generator.integers(1, 40, 200),
        "price": generator.normal(size=200).astype(np.float32),
    }
    folded = fold_norms(model)
    want = np.asarray(model(rows, training=False))
    assert want.std() > 0.01
    np.testing.assert_allclose(folded(rows, training=False), want, atol=1e-6)
    layers = list(folded._flatten_layers())
    assert not [layer for layer in layers if isinstance(layer, BatchNorm)]


def test_the_trained_model_keeps_its_layers() -> None:
    model = trained("deepfm")
    before = [np.asarray(weight) for weight in model.get_weights()]
    fold_norms(model)
    for had, has in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(had, has)
    (tower,) = (x for x in model._flatten_layers() if isinstance(x, MLP))
    assert tower.batch_norm
