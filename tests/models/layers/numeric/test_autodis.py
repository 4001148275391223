from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numeric_reference import soft_choice

from clickwright.models import registry
from clickwright.models.layers.numeric.autodis import AutoDis
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.trainer import Trainer
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.numeric_encoding import AutoDisEncoding, LinearEncoding

WIDTH = 5


def made(fields: int = 3, seed: int = 0, **settings: Any) -> AutoDis:
    """With weights far from 0, so that choices differ."""
    settings = {"meta_embeddings": 6, **settings}
    names = [f"f{n}" for n in range(fields)]
    layer = AutoDis(names, [AutoDisEncoding(**settings)] * fields, WIDTH)
    layer.build((None, fields))
    random = np.random.default_rng(seed)
    for w in layer.trainable_weights:
        if "temperature" not in w.path:
            w.assign(random.normal(0.0, 1.0, w.shape))
    return layer


def grid(low: float, high: float, rows: int = 101, fields: int = 3) -> Any:
    return np.repeat(np.linspace(low, high, rows)[:, None], fields, 1).astype(
        np.float32
    )


FORMS = pytest.mark.parametrize("form", ["full", "reduced"])


@FORMS
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("aggregation", ["weighted", "max", "topk"])
def test_embeddings_lie_in_the_hull_of_the_meta_embeddings(
    form: str, bias: bool, aggregation: str
) -> None:
    layer = made(form=form, use_bias=bias, aggregation=aggregation)
    got = np.asarray(layer(grid(-3, 3)))
    rows = np.asarray(layer.meta_embeddings)
    assert (got >= rows.min(axis=1) - 1e-5).all()
    assert (got <= rows.max(axis=1) + 1e-5).all()
    weights = np.asarray(layer.assignments(grid(-3, 3)))
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=2), 1.0, atol=1e-6)


@FORMS
def test_a_cold_choice_is_hard_and_a_hot_one_is_the_mean(form: str) -> None:
    x = grid(0.3, 2.0, 7)
    cold = made(form=form, temperature=1e-5)
    scores = np.asarray(cold.scores(x))
    want = np.take_along_axis(
        np.asarray(cold.meta_embeddings)[None],
        scores.argmax(axis=2)[:, :, None, None],
        axis=2,
    )[:, :, 0]
    np.testing.assert_allclose(cold(x), want, atol=1e-6)
    hot = made(form=form, temperature=1e6)
    mean = np.asarray(hot.meta_embeddings).mean(axis=1)
    np.testing.assert_allclose(hot(x), np.tile(mean, (7, 1, 1)), atol=1e-4)


@FORMS
@pytest.mark.parametrize("temperature", [1e-5, 0.1, 10.0])
def test_zero_without_biases_is_exactly_the_mean(form: str, temperature: float) -> None:
    layer = made(form=form, use_bias=False, temperature=temperature, meta_embeddings=8)
    # Eighths, so that the sums are exact whatever their order.
    rows = np.random.default_rng(1).integers(-64, 64, (3, 8, WIDTH)) / 8.0
    layer.meta_embeddings.assign(rows)
    got = np.asarray(layer(np.zeros((2, 3), np.float32)))
    np.testing.assert_array_equal(got[0], rows.mean(axis=1))


@FORMS
def test_scores_without_biases_grow_with_the_value(form: str) -> None:
    layer = made(form=form, use_bias=False)
    big, small = (
        np.asarray(layer.scores(np.full((1, 3), x, np.float32))) for x in (0.8, 0.2)
    )
    np.testing.assert_allclose(big, 4 * small, rtol=1e-5)


@FORMS
def test_one_meta_embedding_is_a_constant(form: str) -> None:
    layer = made(form=form, meta_embeddings=1)
    want = np.repeat(np.asarray(layer.meta_embeddings)[:, 0][None], 101, 0)
    np.testing.assert_array_equal(layer(grid(-5, 5)), want)


def test_the_full_form_contains_the_reduced_one() -> None:
    reduced = made(form="reduced", use_bias=False)
    # A slope of nearly 1 makes the leaky ReLU the identity.
    full = made(form="full", use_bias=False, skip=0.0, slope=0.9999999)
    full.first.assign(reduced.first)
    full.second.assign(np.tile(np.eye(6), (3, 1, 1)))
    full.meta_embeddings.assign(reduced.meta_embeddings)
    x = grid(-2, 2)
    np.testing.assert_allclose(full(x), reduced(x), rtol=1e-5, atol=1e-6)


@FORMS
def test_without_biases_positive_values_all_choose_the_same_and_with_them_not(
    form: str,
) -> None:
    x = grid(0.01, 3.0, 300, fields=20)

    def choices(bias: bool) -> list[int]:
        layer = made(20, form=form, use_bias=bias, meta_embeddings=20)
        chosen = np.asarray(layer.scores(x)).argmax(axis=2)  # [B, F]
        return [len(np.unique(of_field)) for of_field in chosen.T]

    assert set(choices(False)) == {1}
    assert np.mean(np.array(choices(True)) > 1) > 0.7


@FORMS
def test_fresh_fields_with_biases_choose_by_range(form: str) -> None:
    layer = AutoDis(["x"], [AutoDisEncoding(form=form)], 4)  # type: ignore[arg-type]
    layer.build((None, 1))
    choice = np.asarray(layer.assignments(grid(-2, 2, 400, 1))).argmax(axis=2)
    assert len(np.unique(choice)) > 1


@FORMS
def test_fresh_fields_with_biases_choose_the_nearest_centre(form: str) -> None:
    settings: list[dict[str, Any]] = [
        {"meta_embeddings": 6, "low": 0.0, "high": 1.0, "temperature": 0.03},
        {"meta_embeddings": 4, "low": -3.0, "high": 60.0},
        {"meta_embeddings": 1},
    ]
    encodings = [AutoDisEncoding(form=form, **s) for s in settings]  # type: ignore[arg-type]
    layer = AutoDis(["a", "b", "c"], encodings, 4)
    layer.build((None, 3))
    x = np.stack([np.linspace(0, 1, 50), np.linspace(-3, 60, 50), np.zeros(50)], 1)
    got = np.asarray(layer.assignments(x.astype(np.float32)))
    for field, e in enumerate(encodings[:2]):
        centres = np.linspace(e.low, e.high, e.meta_embeddings)
        apart = (e.high - e.low) / (e.meta_embeddings - 1)
        logits = -(((x[:, field, None] - centres) / apart) ** 2)
        want = np.exp(logits)
        want = want / want.sum(axis=1, keepdims=True)
        found = got[:, field, : e.meta_embeddings]
        np.testing.assert_allclose(found, want, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("form", "bias", "want"),
    [
        ("full", False, 26_260),
        ("reduced", False, 21_060),
        ("full", True, 26_260 + 2 * 13 * 20),
        ("reduced", True, 21_060 + 13 * 20),
    ],
)
def test_parameters_number_as_in_the_formula(form: Any, bias: bool, want: int) -> None:
    encoding = AutoDisEncoding(form=form, use_bias=bias)
    layer = AutoDis([f"f{n}" for n in range(13)], [encoding] * 13, 80)
    layer.build((None, 13))
    missing = 13 * 80
    assert layer.count_params() == want + missing
    assert layer.missing.shape == (13, 80)


def test_learned_temperatures_add_one_a_field() -> None:
    more = made(temperature_mode="learned").count_params()
    assert more == made().count_params() + 3


@pytest.mark.parametrize("aggregation", ["max", "topk"])
def test_hard_choices_have_the_gradient_of_soft_ones(aggregation: str) -> None:
    hard = made(aggregation=aggregation, top_k=2)
    soft = made()
    x = tf.constant(grid(-1, 1, 9))

    def gradients(layer: AutoDis) -> list[Any]:
        with tf.GradientTape() as tape:
            # Linear in the weights, so that their gradient does not ask for them.
            loss = tf.reduce_sum(layer.weigh(x) * np.arange(6.0, dtype=np.float32))
        return list(tape.gradient(loss, [layer.first.value, layer.second.value]))

    for got, want in zip(gradients(hard), gradients(soft), strict=True):
        assert np.abs(want).max() > 0.01
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_topk_keeps_no_more_than_it_says_and_max_keeps_one() -> None:
    x = grid(-1, 1, 9)
    kept = np.asarray(made(aggregation="topk", top_k=2).assignments(x)) > 0
    assert (kept.sum(axis=2) <= 2).all()
    assert (kept.sum(axis=2) == 2).any()
    one = np.asarray(made(aggregation="max").assignments(x))
    assert set(np.unique(one)) == {0.0, 1.0}


def test_an_annealing_counts_training_steps_alone_and_ends() -> None:
    layer = made(temperature_mode="annealed", temperature=0.01)
    x = grid(-1, 1, 4)

    def temperature() -> float:
        return float(np.asarray(layer.temperatures())[0, 0])

    assert temperature() == pytest.approx(1.0)
    layer(x)
    layer(x, training=False)
    layer.assignments(x)
    assert int(layer.steps) == 0
    layer(x, training=True)
    assert int(layer.steps) == 1
    layer.steps.assign(500)
    assert temperature() == pytest.approx(0.1, rel=1e-5)
    layer.steps.assign(999)
    for _ in range(3):
        layer(x, training=True)
    assert int(layer.steps) == 1000
    assert temperature() == pytest.approx(0.01, rel=1e-5)
    np.testing.assert_array_equal(layer(x), layer(x))
    want = made(temperature=0.01)
    np.testing.assert_allclose(layer(x), want(x), rtol=1e-4, atol=1e-5)


def test_an_annealing_that_ends_above_one_does_not_rise() -> None:
    layer = made(temperature_mode="annealed", temperature=4.0)
    assert np.asarray(layer.temperatures()).tolist() == [[4.0]] * 3


def test_learned_temperatures_start_as_given_and_learn() -> None:
    layer = made(temperature_mode="learned", temperature=0.25)
    np.testing.assert_allclose(layer.temperatures(), 0.25, rtol=1e-6)
    x = tf.constant(grid(-1, 1, 9))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x) ** 2)
    gradient = tape.gradient(loss, layer.log_temperature.value)
    assert (np.abs(gradient) > 1e-6).all()


@pytest.mark.parametrize("mode", ["constant", "learned"])
def test_padding_of_smaller_fields_neither_counts_nor_learns(mode: Any) -> None:
    encodings = [
        AutoDisEncoding(meta_embeddings=n, temperature_mode=mode) for n in (2, 5)
    ]
    layer = AutoDis(["a", "b"], encodings, WIDTH)
    layer.build((None, 2))
    assert (np.asarray(layer.meta_embeddings)[0, 2:] == 0).all()
    assert (np.asarray(layer.meta_embeddings)[0, :2] != 0).all()
    x = tf.constant(grid(-1, 1, 9, 2))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum((layer(x) - 1.0) ** 2)
    variables = [layer.first.value, layer.second.value, layer.meta_embeddings.value]
    first, second, rows = (np.asarray(g) for g in tape.gradient(loss, variables))
    assert (first[0, 2:] == 0).all()
    assert (second[0, 2:] == 0).all()
    assert (second[0, :, 2:] == 0).all()
    assert (rows[0, 2:] == 0).all()
    assert (rows[0, :2] != 0).any()


def test_a_tiny_temperature_keeps_its_choices_under_half_precision() -> None:
    names, encodings = ["a"], [AutoDisEncoding(temperature=1e-5, meta_embeddings=6)]
    full = AutoDis(names, encodings, WIDTH)
    half = AutoDis(names, encodings, WIDTH, dtype="mixed_float16")
    for layer in (full, half):
        layer.build((None, 1))
    half.set_weights(full.get_weights())
    x = grid(-100, 100, 400, 1)
    got = np.asarray(half(x))
    assert got.dtype == np.float16
    assert np.isfinite(got).all()
    np.testing.assert_array_equal(half.assignments(x), full.assignments(x))
    np.testing.assert_allclose(got, full(x), rtol=1e-3, atol=1e-3)


def test_a_field_alone_gives_what_it_gives_among_others() -> None:
    settings: list[dict[str, Any]] = [
        {"meta_embeddings": 3, "temperature": 0.7},
        {"meta_embeddings": 9},
    ]
    both = AutoDis(["a", "b"], [AutoDisEncoding(**s) for s in settings], WIDTH)
    alone = AutoDis(["a"], [AutoDisEncoding(**settings[0])], WIDTH)
    both.build((None, 2))
    alone.build((None, 1))
    for mine, theirs in zip(alone.weights, both.weights, strict=True):
        cut = np.asarray(theirs)[:1]
        mine.assign(cut[tuple(slice(n) for n in mine.shape)])
    x = grid(-2, 2, 20, 2)
    np.testing.assert_allclose(alone(x[:, :1]), both(x)[:, :1], rtol=1e-5, atol=1e-6)


def test_the_reference_agrees_on_the_choice() -> None:
    layer = made()
    weights = {w.path.rpartition("/")[2]: np.array(w, float) for w in layer.weights}
    x = grid(-2, 2, 9)
    got = np.asarray(layer.assignments(x))
    for (b, f), value in np.ndenumerate(x):
        want = soft_choice(layer, f, float(value), weights)
        np.testing.assert_allclose(got[b, f], want, rtol=1e-3, atol=1e-6)


def test_only_with_biases_a_step_function_is_learned() -> None:
    """One field of values above 0; the click probability jumps up and down."""
    random = np.random.default_rng(0)
    x = random.uniform(0.0, 1.0, 8000).astype(np.float32)
    probability = np.where(np.floor(x * 4) % 2 == 1, 0.9, 0.1)
    labels = (random.random(len(x)) < probability).astype(int)

    def auc(encoding: Any) -> float:
        keras.utils.set_random_seed(1)
        inputs = (
            ModelInput("x", "value", "item", numeric=encoding),
            ModelInput("one", "id", "item", "one", 2),
        )
        features: dict[str, Any] = {"x": x, "one": np.ones(len(x), np.int64)}
        model = registry.build("fm", inputs, {"embedding_dim": 4, "l2": 0.0})
        train, test = (
            InMemoryExamples({k: v[part] for k, v in features.items()}, labels[part])
            for part in (slice(4000), slice(4000, None))
        )
        settings = TrainingParams(epochs=6, batch_size=100, learning_rate=0.02)
        return Trainer(model, settings).train(train, test)[-1].valid_auc or 0.0

    line = auc(LinearEncoding())
    assert auc(AutoDisEncoding(low=0.0, high=1.0)) > line + 0.05
    assert auc(AutoDisEncoding(use_bias=False)) < line + 0.05
