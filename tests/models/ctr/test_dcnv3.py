from typing import Any

import keras
import numpy as np
import pytest

from clickwright.models import registry
from clickwright.schemas.errors import ConfigError
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
SMALL: dict[str, Any] = {"embedding_dim": 8, "heads": 2, "embedding_stddev": 0.5}


def trainable(model: keras.Model) -> int:
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


@pytest.mark.parametrize(
    ("rows", "fields", "params", "published"),
    [
        # MovieLens: 9,751 rows of 16 floats, 7 fields.
        (9751, 7, {"embedding_dim": 16}, 201_728),
        # Criteo: 910,747 rows of 16, 39 fields, no batch normalization.
        (
            910_747,
            39,
            {
                "embedding_dim": 16,
                "exponential_layers": 4,
                "linear_layers": 5,
                "batch_norm": False,
            },
            16_336_626,
        ),
        # Avazu: 3,750,999 rows of 4 heads of 16, 24 fields.
        (
            3_750_999,
            24,
            {
                "embedding_dim": 64,
                "heads": 4,
                "exponential_layers": 4,
                "linear_layers": 5,
            },
            240_735_242,
        ),
    ],
)
def test_models_have_the_published_number_of_parameters(
    rows: int, fields: int, params: dict[str, Any], published: int
) -> None:
    inputs = [ModelInput(f"f{n}", "id", "user", f"f{n}", 1) for n in range(fields)]
    model = registry.build("dcnv3", inputs, params)
    # Here each field has a single row.
    assert trainable(model) == published - (rows - fields) * params["embedding_dim"]


def test_a_head_holds_the_first_halves_of_all_fields_then_the_second() -> None:
    model = registry.build("dcnv3", INPUTS, SMALL)
    first = model.get_layer("exponential_0")
    graph = keras.Model(
        model.input, [model.get_layer("embeddings").output, first.input[0]]
    )
    embeddings, x = (np.asarray(t) for t in graph(FEATURES))
    for h in range(2):
        part = embeddings[:, :, 4 * h : 4 * h + 4]
        want = [part[:, f, 2 * i : 2 * i + 2] for i in range(2) for f in range(3)]
        np.testing.assert_array_equal(x[:, h], np.concatenate(want, 1))


def test_the_probability_is_that_of_the_mean_of_both_logits() -> None:
    model = registry.build("dcnv3", INPUTS, SMALL)
    got = model(FEATURES, training=False)
    z = np.asarray(got["logits"], np.float64)
    assert z.shape == (4, 2) and (z[:, 0] != z[:, 1]).all()
    np.testing.assert_allclose(
        got["probability"], 1 / (1 + np.exp(-z.mean(1))), rtol=1e-5
    )


def test_the_networks_differ_in_their_base_alone() -> None:
    # One layer each: the base of both is the input, so equal weights give equal logits.
    params = {**SMALL, "exponential_layers": 2, "linear_layers": 2}
    model = registry.build("dcnv3", INPUTS, params)

    def copy_to_linear(name: str) -> None:
        weights = model.get_layer(f"exponential{name}").get_weights()
        model.get_layer(f"linear{name}").set_weights(weights)

    for name in ("_0", "_1", ""):
        copy_to_linear(name)
    layers = [model.get_layer(n) for n in ("exponential_1", "linear_1")]
    graph = keras.Model(model.input, [layer.input for layer in layers])
    (base, x), (first, same) = graph(FEATURES, training=False)
    np.testing.assert_array_equal(base, x)
    np.testing.assert_allclose(x, same, rtol=1e-6)
    np.testing.assert_allclose(first, layers_input(model), rtol=1e-6)
    z = np.asarray(model(FEATURES, training=False)["logits"])
    assert np.abs(z[:, 0] - z[:, 1]).max() > 1e-6


def layers_input(model: keras.Model) -> np.ndarray[Any, Any]:
    first = model.get_layer("linear_0").input[0]
    return np.asarray(keras.Model(model.input, first)(FEATURES))


def test_heads_that_do_not_halve_the_embedding_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"twice the `heads` \(2\) must divide"):
        registry.parse_params("dcnv3", {"heads": 2})
