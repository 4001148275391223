"""Fixed vectors of items that are, or are not, those of the parent."""

import pathlib

import keras
import numpy as np
import pytest

from clickwright.models.incremental.item_probes import check_probes, item_probes
from clickwright.models.layers.item_vectors import ItemVectors
from clickwright.schemas.errors import ConfigError

HERE = pathlib.Path("state")


def model_of(vectors: np.ndarray) -> keras.Model:
    """Looks items up; padding first, an unknown row last."""
    layer = ItemVectors(len(vectors) + 2, vectors.shape[1], name="look")
    ids = keras.Input((), dtype="int64", name="item")
    model = keras.Model(ids, layer(ids))
    layer.fill(np.pad(vectors, ((1, 1), (0, 0))))
    return model


def test_vectors_that_stay_are_fine_and_so_are_single_changes() -> None:
    old = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
    probes = item_probes(model_of(old))
    assert probes["look"].shape == (11, 4)
    new = np.concatenate([old, old[:3] + 1])
    new[2] *= -1  # its text was changed
    new[3] = 0  # is missing now
    check_probes(probes, model_of(new), HERE)
    check_probes({}, model_of(new), HERE)


def test_vectors_of_another_space_are_refused() -> None:
    rng = np.random.default_rng(0)
    old = rng.normal(size=(200, 4)).astype(np.float32)
    turned = old @ np.linalg.qr(rng.normal(size=(4, 4)))[0].astype(np.float32)
    probes = item_probes(model_of(old))
    with pytest.raises(ConfigError, match="`look` of 6. of 64 known items") as error:
        check_probes(probes, model_of(turned), HERE)
    assert "not fitted to the items" in error.value.fix


def test_models_without_vectors_have_no_probes() -> None:
    ids = keras.Input((1,))
    assert item_probes(keras.Model(ids, ids)) == {}
