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
SMALL: dict[str, Any] = {
    "embedding_dim": 3,
    "hidden_units": (5, 5, 5),
    "embedding_stddev": 0.5,
    "l2": 0.0,
}


def trainable(model: keras.Model) -> int:
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-np.asarray(z, np.float64)))


def outputs(model: keras.Model, layers: list[str]) -> list[np.ndarray[Any, Any]]:
    graph = keras.Model(model.input, {n: model.get_layer(n).output for n in layers})
    values = graph(FEATURES, training=False)
    return [np.asarray(values[n]) for n in layers]


def test_frappe_has_the_parameters_of_the_formula() -> None:
    values = (940, 4082, 7, 7, 2, 3, 2, 9, 80, 231)
    inputs = [
        ModelInput(f"f{n}", "id", "user", f"f{n}", v + 2) for n, v in enumerate(values)
    ]
    tower = 160 * 400 + 2 * 400 * 400 + 3 * (400 + 800)
    want = 5383 * 16 + 3 * (160 * 160 + 160) + tower + 3 * (160 + 400 + 1)
    assert trainable(registry.build("fsdnet", inputs)) == want == 552_691


def test_the_model_gives_the_mean_of_its_predictors_probabilities() -> None:
    model = registry.build("fsdnet", INPUTS, SMALL)
    got = model(FEATURES, training=False)
    assert got["logits"].shape == (4, 3)
    each = sigmoid(got["logits"])
    np.testing.assert_allclose(got["probability"], each.mean(1), rtol=1e-6)
    logit = keras.Model(model.input, model.get_layer("probability").input)
    np.testing.assert_allclose(sigmoid(logit(FEATURES))[:, 0], each.mean(1), rtol=1e-6)


def test_each_predictor_sees_both_towers_at_its_depth() -> None:
    model = registry.build("fsdnet", INPUTS, SMALL)
    (x,) = outputs(model, ["flatten"])
    cross, deep = x, x
    for n in range(3):
        layer = model.get_layer(f"cross_{n}")
        kernel, bias = (np.asarray(v) for v in layer.weights)
        cross = cross + x * (cross @ kernel + bias)
        deep = np.asarray(model.get_layer(f"deep_{n}")(deep))
        weights, b = (np.asarray(v) for v in model.get_layer(f"head_{n}").weights)
        want = np.concatenate([cross, deep], 1) @ weights + b
        (got,) = outputs(model, [f"head_{n}"])
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_crosses_of_zero_weights_pass_the_embeddings_on() -> None:
    model = registry.build("fsdnet", INPUTS, SMALL)
    for n in range(3):
        layer = model.get_layer(f"cross_{n}")
        layer.set_weights([np.zeros(v.shape) for v in layer.weights])
    x, *crossed = outputs(model, ["flatten", "cross_0", "cross_1", "cross_2"])
    for values in crossed:
        np.testing.assert_array_equal(values, x)


@pytest.mark.parametrize("distillation", ["soft", "hint", "soft_and_hint"])
def test_hints_are_added_in_training_alone(distillation: str) -> None:
    params = {**SMALL, "distillation": distillation, "dropout": 0.0}
    model = registry.build("fsdnet", INPUTS, params)
    graph = keras.Model(
        model.input, [model.get_layer(f"fusion_{n}").output for n in range(3)]
    )
    statistics = [np.array(v) for v in model.non_trainable_variables]
    fused = [np.asarray(f, np.float64) for f in graph(FEATURES, training=True)]
    for variable, value in zip(model.non_trainable_variables, statistics, strict=True):
        variable.assign(value)
    model(FEATURES, training=True)
    penalty = float(sum(model.losses))
    want = 0.01 * sum(((fused[2] - f) ** 2).mean() for f in fused[:2])
    assert penalty == pytest.approx(0.0 if distillation == "soft" else want, rel=1e-4)
    model(FEATURES, training=False)
    assert float(sum(model.losses)) == 0.0


def test_hints_alone_leave_the_cross_entropies_whole() -> None:
    one, logits = np.ones(1, np.float32), np.array([[0.2, 0.5, 1.0]], np.float32)
    want = -np.log(sigmoid(logits)).sum()
    loss = registry.loss("fsdnet", {**SMALL, "distillation": "hint"})
    assert float(loss(one, logits, one)) == pytest.approx(want, rel=1e-5)


def test_defaults_are_the_published_loss() -> None:
    one, logits = np.ones(1, np.float32), np.array([[0.2, 1.0]], np.float32)
    # The divergence at temperature 1.3 is 0.043579.
    want = 0.9 * -np.log(sigmoid(logits)).sum() + 0.1 * 0.043579
    loss = registry.loss("fsdnet")
    assert float(loss(one, logits, one)) == pytest.approx(want, rel=1e-5)


def test_hints_need_features_of_one_width() -> None:
    with pytest.raises(ConfigError, match="must all be equal"):
        registry.parse_params("fsdnet", {"hidden_units": [5, 4]})
    params = {**SMALL, "hidden_units": (5, 4), "distillation": "soft"}
    model = registry.build("fsdnet", INPUTS, params)
    assert model.output["logits"].shape == (None, 2)


def test_the_probability_is_exported_after_a_step_of_training(tmp_path: Any) -> None:
    model = registry.build("fsdnet", INPUTS, SMALL)
    model(FEATURES, training=True)
    scorer = keras.Model(model.input, model.output["probability"])
    scorer.export(tmp_path / "saved", verbose=False)
