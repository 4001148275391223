from typing import Any

import keras
import numpy as np
import pytest
from ctr_models import (
    INPUTS,
    OURS,
    PUBLISHED,
    frappe_parameters,
    logits,
    randomize,
    trainable,
    values,
    weights,
)

from clickwright.models import registry
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput

SMALL: dict[str, Any] = {
    "embedding_dim": 2,
    "hidden_units": (4,),
    "channels": (3, 2),
    "kernel_height": 3,
}
LEVELS = (
    14 * 7 + 14 + 2 * 14,
    5 * 10 * 14 * (5 * 10 * 3) + 5 * 10 * 3,
    16 * 14 * 7 + 16 + 2 * 16,
    3 * 10 * 16 * (3 * 10 * 3) + 3 * 10 * 3,
)
"""Convolution and recombination of 10 fields, pooled to 5 and 3."""


def test_fgcnn_has_the_published_number_of_parameters_on_kkbox() -> None:
    rows = [1] * 12 + [92_247 - 12]
    inputs = [
        ModelInput(f"f{n}", "id", "user", f"f{n}", count)
        for n, count in enumerate(rows)
    ]
    params = {
        "embedding_dim": 128,
        "channels": (14, 16, 18, 20),
        "hidden_units": (1000, 1000, 1000),
    }
    # Shapes alone: the values would take 340 MB.
    with keras.StatelessScope(initialize_variables=False):
        model = registry.build("fgcnn", inputs, params)
    assert trainable(model) == 84_979_183


def test_fgcnn_has_34_fields_on_frappe() -> None:
    tower = 34 * 10 + 34 * 33 // 2
    tower = tower * 400 + 400 + 2 * (400 * 400 + 400) + 401
    want = 2 * 5389 * 10 + sum(LEVELS) + tower
    assert frappe_parameters("fgcnn", PUBLISHED) == want
    assert frappe_parameters("fgcnn", OURS) == want + 2 * 10 * 10


def test_sharing_embeddings_halves_them_and_nothing_else() -> None:
    shared = {"share_embedding": True}
    both = frappe_parameters("fgcnn", PUBLISHED)
    assert frappe_parameters("fgcnn", PUBLISHED, shared) == both - 53_890
    assert registry.table_width("fgcnn", {}) == 20
    assert registry.table_width("fgcnn", shared) == 10


def test_the_tower_sees_raw_and_generated_fields_and_all_their_products() -> None:
    model = registry.build("fgcnn", INPUTS, SMALL)
    randomize(model)
    raw, new = values(model, "embeddings")[..., :2], values(model, "generated")
    assert new.shape == (4, (2 + 1) * 3, 2)
    fields = np.concatenate([raw, new], axis=1)
    pairs = [
        np.sum(fields[:, i] * fields[:, j], 1)
        for i in range(12)
        for j in range(i + 1, 12)
    ]
    x = np.column_stack([fields.reshape(4, 24), *pairs])
    kernel, bias = weights(model.get_layer("tower"))
    head, b = weights(model.get_layer("head"))
    want = np.maximum(x @ kernel + bias, 0) @ head + b
    np.testing.assert_allclose(logits(model), want[:, 0], rtol=1e-4, atol=1e-5)


def test_fields_are_generated_from_embeddings_of_their_own() -> None:
    model = registry.build("fgcnn", INPUTS, SMALL)
    randomize(model)
    before = values(model, "generated")
    (table,) = weights(model.get_layer("embeddings"))
    table[:, :2] = 0.0
    model.get_layer("embeddings").set_weights([table])
    np.testing.assert_array_equal(values(model, "generated"), before)
    table[:, 2:] += 1.0
    model.get_layer("embeddings").set_weights([table])
    assert np.abs(values(model, "generated") - before).max() > 1e-2


def test_fgcnn_without_levels_is_ipnn() -> None:
    model = registry.build("fgcnn", INPUTS, {**SMALL, "channels": ()})
    ipnn = registry.build("ipnn", INPUTS, {"embedding_dim": 2, "hidden_units": (4,)})
    randomize(ipnn)
    model.set_weights(ipnn.get_weights())
    np.testing.assert_array_equal(logits(model), logits(ipnn))


def test_kernels_have_a_middle() -> None:
    with pytest.raises(ConfigError, match="must be odd"):
        registry.build("fgcnn", INPUTS, {"kernel_height": 4})
