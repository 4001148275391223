from typing import Any

import keras
import numpy as np
import pytest

from clickwright.models import registry
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput

ROWS = {"user": 4, "item": 3, "day": 6}
INPUTS = tuple(ModelInput(n, "id", "user", n, rows) for n, rows in ROWS.items())
FEATURES = {
    "user": np.array([0, 3, 2, 1]),
    "item": np.array([2, 1, 1, 0]),
    "day": np.array([5, 0, 3, 4]),
}
SMALL: dict[str, Any] = {
    "embedding_dim": 3,
    "hidden_units1": (6,),
    "hidden_units2": (4,),
    "gate_hidden_units": (5,),
    "heads": 2,
    "embedding_stddev": 0.5,
}
CONTEXTS = {"gate1_context": ["user"], "gate2_context": ["item", "day"]}
# Rows of FuxiCTR v2 and of ours: values, one row for missing and one for unknown ones.
FRAPPE_ROWS = {
    "user": 956,
    "item": 4084,
    "daytime": 9,
    "weekday": 9,
    "isweekend": 4,
    "homework": 5,
    "cost": 4,
    "weather": 11,
    "country": 82,
    "city": 235,
}


def trainable(model: keras.Model) -> int:
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def output(model: keras.Model, layer: str) -> np.ndarray[Any, Any]:
    graph = keras.Model(model.input, model.get_layer(layer).output)
    return np.asarray(graph(FEATURES, training=False))


def test_frappe_has_the_published_number_of_parameters() -> None:
    inputs = [ModelInput(n, "id", "user", n, rows) for n, rows in FRAPPE_ROWS.items()]
    contexts = {"gate1_context": ["user"], "gate2_context": ["item"]}
    assert sum(FRAPPE_ROWS.values()) == 5399
    assert trainable(registry.build("finalmlp", inputs, contexts)) == 253_392


def test_learned_contexts_match_the_published_movielens_count() -> None:
    rows = {"user_id": 16_977, "item_id": 23_606, "tag_id": 49_659}
    inputs = [ModelInput(n, "id", "user", n, r) for n, r in rows.items()]
    params = {
        "hidden_units2": [800],
        "dropout2": 0.2,
        "gate_hidden_units": [800],
        "heads": 10,
        "l2": 0.01,
    }
    assert trainable(registry.build("finalmlp", inputs, params)) == 1_040_902


def test_gates_start_at_one() -> None:
    params = {**SMALL, **CONTEXTS, "embedding_stddev": 1e-4}
    model = registry.build("finalmlp", INPUTS, params)
    model.get_layer("embeddings").embeddings.assign(np.ones((13, 3)))
    for gate in ("gate1", "gate2"):
        np.testing.assert_allclose(output(model, gate), 1.0, atol=1e-3)


def test_contexts_have_tables_of_their_own_that_are_penalized() -> None:
    model = registry.build("finalmlp", INPUTS, {**SMALL, **CONTEXTS, "l2": 0.1})
    tables = [
        np.asarray(model.get_layer(n).embeddings, np.float64)
        for n in ("embeddings", "gate1_context", "gate2_context")
    ]
    assert [t.shape for t in tables] == [(13, 3), (4, 3), (9, 3)]
    want = 0.05 * sum((t**2).sum() for t in tables)
    assert float(sum(model.losses)) == pytest.approx(want, rel=1e-5)


def test_a_context_changes_its_own_stream_alone() -> None:
    model = registry.build("finalmlp", INPUTS, {**SMALL, **CONTEXTS})
    before = [output(model, n) for n in ("gate1", "gate2")]
    table = model.get_layer("gate1_context").embeddings
    table.assign(table + 1.0)
    after = [output(model, n) for n in ("gate1", "gate2")]
    assert np.abs(after[0] - before[0]).max() > 1e-3
    np.testing.assert_array_equal(after[1], before[1])


def test_without_gates_and_products_the_logit_is_the_sum_of_two_towers() -> None:
    model = registry.build("finalmlp", INPUTS, {**SMALL, "gates": False})
    fusion = model.get_layer("fusion")
    fusion.kernel.assign(np.zeros(fusion.kernel.shape))
    want = np.asarray(fusion.linear_x(output(model, "stream1")))
    want = want + np.asarray(fusion.linear_y(output(model, "stream2")))
    np.testing.assert_allclose(output(model, "fusion"), want, rtol=1e-5, atol=1e-7)
    # Both streams see the plain embeddings.
    flat = output(model, "flatten")
    np.testing.assert_allclose(
        model.get_layer("stream1")(flat), output(model, "stream1"), rtol=1e-6
    )


def test_a_context_that_is_no_input_is_refused() -> None:
    with pytest.raises(
        ConfigError, match="no input is called `usr`. Did you mean `user`"
    ):
        registry.build("finalmlp", INPUTS, {**SMALL, "gate1_context": ["usr"]})


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"heads": 3}, "must divide the last widths"),
        ({"gates": False, "gate1_context": ["user"]}, "need `gates`"),
        ({"hidden_units1": []}, "`hidden_units1`"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(
    params: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        registry.parse_params("finalmlp", params)
