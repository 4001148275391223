from typing import Any

import keras
import numpy as np
import pytest

from clickwright.models import registry
from clickwright.schemas.model_input import ModelInput

ROWS = (4, 3, 6)
INPUTS = tuple(
    ModelInput(f"f{n}", "id", "user", f"f{n}", rows) for n, rows in enumerate(ROWS)
)
FEATURES = {
    "f0": np.array([0, 3, 2, 1]),
    "f1": np.array([2, 1, 1, 0]),
    "f2": np.array([5, 0, 3, 4]),
}
SMALL: dict[str, Any] = {
    "embedding_dim": 3,
    "neurons": (5, 2),
    "embedding_stddev": 0.5,
    "layer_norm": False,
}


def trainable(model: keras.Model) -> int:
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def test_the_model_has_the_parameters_of_its_formula() -> None:
    inputs = [ModelInput(f"f{n}", "id", "user", f"f{n}", 3) for n in range(10)]
    layer = 10 * 20 + 100 * 200 + 200 + 2 * 200
    normed = registry.build("eulernet", inputs)
    assert trainable(normed) == 300 + 10 + layer + 40 + 200 + 1
    plain = registry.build("eulernet", inputs, {"layer_norm": False})
    assert trainable(plain) == trainable(normed) - 40


def test_one_linear_map_judges_both_parts_and_its_bias_counts_twice() -> None:
    model = registry.build("eulernet", INPUTS, SMALL)
    head = model.get_layer("head")
    head.bias.assign([0.7])
    last = keras.Model(model.input, model.get_layer("interaction_1").output)
    real, imaginary = (np.asarray(o).reshape(4, 6) for o in last(FEATURES))
    kernel = np.asarray(head.kernel)[:, 0]
    z = (real + imaginary) @ kernel + 2 * 0.7
    np.testing.assert_allclose(
        model(FEATURES)["probability"], 1 / (1 + np.exp(-z)), rtol=1e-5
    )


def test_half_precision_keeps_angles_in_float32() -> None:
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        low = registry.build("eulernet", INPUTS, SMALL)
    finally:
        keras.config.set_dtype_policy(policy)
    assert low.get_layer("interaction_0").compute_dtype == "float32"
    full = registry.build("eulernet", INPUTS, SMALL)
    low.set_weights(full.get_weights())
    got, want = (np.asarray(m(FEATURES)["probability"]) for m in (low, full))
    assert got == pytest.approx(want, abs=0.02)
