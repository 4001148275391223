"""SIM, ETA, SDIM and TWIN: what they have in common, and their own searches."""

import dataclasses
import functools
import pathlib
from typing import Any

import keras
import numpy as np
import pytest

from clickwright.models import registry
from clickwright.models.layers.repeat_rows import RepeatRows
from clickwright.models.losses.weighted_cross_entropies import WeightedCrossEntropies
from clickwright.models.ranking import ranking_model
from clickwright.models.scoring import scoring_model
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.trainer import Trainer
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput

LENGTH, D, ROWS = 6, 3, 8
INPUTS = (
    ModelInput("user", "id", "user", "user", 5),
    ModelInput("item", "id", "item", "item", 20),
    ModelInput("category", "id", "item", "category", 4),
    ModelInput("history", "sequence", "user", "item", 20, LENGTH),
    ModelInput(
        "history__category",
        "sequence",
        "user",
        "category",
        4,
        LENGTH,
        side_of="history",
    ),
    ModelInput(
        "history__age", "sequence", "user", "history__age", 9, LENGTH, side_of="history"
    ),
)
random = np.random.default_rng(7)
LENGTHS = np.array([6, 5, 4, 3, 2, 1, 0, 6])
REAL = np.arange(LENGTH) < LENGTHS[:, None]
FEATURES: dict[str, Any] = {
    i.name: np.where(REAL, random.integers(1, i.rows, (ROWS, LENGTH)), 0)
    if i.length
    else random.integers(1, i.rows, ROWS)
    for i in INPUTS
}
HISTORIES = [i.name for i in INPUTS if i.length]
SMALL = {
    "embedding_dim": D,
    "embedding_stddev": 0.5,
    "hidden_units": (5, 4),
    "attention_dim": 4,
    "short_length": 3,
}
MODELS: dict[str, dict[str, Any]] = {
    "sim": {**SMALL, "top": 2},
    "sim_hard": {**SMALL, "search": "hard", "top": 2},
    "eta": {**SMALL, "top": 2},
    "sdim": SMALL,
    "twin": {**SMALL, "top": 2},
}
every_model = pytest.mark.parametrize("name", sorted(MODELS))


def make(name: str, inputs: Any = INPUTS, **params: Any) -> keras.Model:
    keras.utils.set_random_seed(3)
    return registry.build(name.split("_")[0], inputs, {**MODELS[name], **params})


@functools.cache
def built(name: str) -> keras.Model:
    return make(name)


def probability(model: keras.Model, features: Any = FEATURES) -> Any:
    return np.asarray(model(features, training=False)["probability"])


def values(model: keras.Model, layer: str, features: Any = FEATURES) -> Any:
    graph = keras.Model(model.input, model.get_layer(layer).output)
    return np.asarray(graph(features, training=False))


def embedded(model: keras.Model, features: Any = FEATURES) -> dict[str, Any]:
    """Target, history and context."""
    found = keras.Model(model.input, model.get_layer("embeddings").output)(features)
    names = {2: "target", 4: "extra"}
    return {
        names.get(x.ndim, "history" if x.shape[1] == LENGTH else "context"): x
        for x in map(np.asarray, found)
    }


def left_padded(features: Any) -> dict[str, Any]:
    """The same histories with their padding in front."""
    moved = dict(features)
    for name in HISTORIES:
        moved[name] = np.stack(
            [
                np.roll(x, LENGTH - n)
                for x, n in zip(features[name], LENGTHS, strict=True)
            ]
        )
    return moved


@every_model
def test_a_model_has_the_parameters_of_the_formula(name: str) -> None:
    d = 2 * D
    tables = (5 + 20 + 4 + 9) * D
    inputs = D + d + 2 * d
    attention = 4 * d * 4
    want = {
        "sim": 2 * attention + 2 * d * 4 + tower(D + d + d),
        "sim_hard": 2 * attention,
        "eta": 2 * attention,
        "sdim": attention,
        # Cross features have a kernel a head, a weight, and rows of the values.
        "twin": 2 * attention + 2 * D + 1 + D * 4,
    }[name]
    got = sum(int(np.prod(v.shape)) for v in built(name).trainable_variables)
    assert got == tables + want + tower(inputs)


def tower(width: int) -> int:
    return (width * 5 + 5) + (5 * 4 + 4) + 4 + 1


@every_model
def test_defaults_are_the_published_ones(name: str) -> None:
    params = registry.parse_params(name.split("_")[0], {})
    assert (
        params.model_dump()
        | {
            "short_length": 50,
            "attention_dim": 64,
            "heads": 2,
            "hidden_units": (512, 128, 64),
            "batch_norm": False,
            "l2": 0.0,
        }
        == params.model_dump()
    )
    own = {
        "eta": {"top": 50, "hash_bits": 32},
        "sdim": {"hashes": 2, "hash_bits": 4, "l2_norm": False},
        "twin": {"top": 50},
    }.get(name, {"top": 50, "auxiliary_weight": 1.0, "search": "soft"})
    assert params.model_dump().items() >= own.items()


@every_model
def test_the_tower_sees_context_target_short_and_long_part(name: str) -> None:
    model = built(name)
    found = embedded(model)
    short, long, joined = (
        values(model, name) for name in ("short_attention", "long_attention", "joined")
    )
    parts = [np.reshape(found["context"], (ROWS, -1)), found["target"], short, long]
    np.testing.assert_array_equal(joined, np.concatenate(parts, 1))


@every_model
@pytest.mark.parametrize("padding", ["left", "right"])
def test_the_short_part_is_the_last_items_and_no_other(name: str, padding: str) -> None:
    model = built(name)
    features = FEATURES if padding == "right" else left_padded(FEATURES)
    want = values(model, "short_attention", features)
    for row, n in enumerate(LENGTHS):
        start = 0 if padding == "right" else LENGTH - n
        changed = {k: np.repeat(v[[row]], n, 0) for k, v in features.items()}
        at = np.arange(n), start + np.arange(n)
        changed["history"][at] = changed["history"][at] % 19 + 1
        if n:
            got = values(model, "short_attention", changed)
            same = np.isclose(got, want[row], atol=1e-7).all(1)
            np.testing.assert_array_equal(same, n - np.arange(n) > 3)


@every_model
def test_a_history_of_one_item_is_that_item(name: str) -> None:
    model = built(name)
    row = int(np.flatnonzero(LENGTHS == 1)[0])
    item = embedded(model)["history"][row, 0]
    for features in (FEATURES, left_padded(FEATURES)):
        for layer in ("short_attention", "long_attention"):
            attention = model.get_layer(layer)
            if name in ("sdim", "twin", "sim_hard") and layer == "long_attention":
                continue
            _, _, value, output = attention.get_weights()
            got = values(model, layer, features)[row]
            np.testing.assert_allclose(got, item @ value @ output, rtol=1e-4)


@every_model
def test_the_side_of_the_padding_and_more_of_it_change_nothing(name: str) -> None:
    model = built(name)
    want = probability(model)
    np.testing.assert_allclose(
        probability(model, left_padded(FEATURES)), want, rtol=1e-5
    )
    longer = [
        dataclasses.replace(i, length=LENGTH + 5) if i.length else i for i in INPUTS
    ]
    wide = make(name, longer)
    wide.set_weights(model.get_weights())
    for before, after in ((0, 5), (5, 0), (2, 3)):
        padded = {
            k: np.pad(v, [(0, 0), (before, after)]) if k in HISTORIES else v
            for k, v in FEATURES.items()
        }
        np.testing.assert_allclose(probability(wide, padded), want, rtol=1e-5)


@every_model
def test_an_empty_history_is_what_a_model_without_histories_sees(name: str) -> None:
    model = built(name)
    empty = {k: v * 0 if k in HISTORIES else v for k, v in FEATURES.items()}
    got = probability(model, empty)
    assert np.isfinite(got).all()
    without = make(name, without=("history",))
    without.set_weights(model.get_weights())
    np.testing.assert_allclose(probability(without), got, rtol=1e-6)
    assert not np.allclose(probability(model), got, atol=1e-5)
    for layer in ("short_attention", "long_attention"):
        np.testing.assert_array_equal(values(model, layer, empty), 0.0)


@pytest.mark.parametrize("name", sorted(MODELS.keys() - {"sim_hard"}))
def test_the_order_of_a_short_history_means_nothing(name: str) -> None:
    model = make(name, short_length=LENGTH)
    turned = {k: v[:, ::-1] if k in HISTORIES else v for k, v in FEATURES.items()}
    np.testing.assert_allclose(
        probability(model, turned), probability(model), rtol=1e-5
    )


@pytest.mark.parametrize("name", sorted(MODELS.keys() - {"sdim"}))
def test_long_histories_that_fit_need_no_search(name: str) -> None:
    whole = make(name, top=LENGTH)
    assert "found" not in {layer.name for layer in whole.layers}
    one_less = make(name, top=LENGTH - 1)
    # They differ where a history is full, if the item left out weighs anything.
    with_all, without_one = probability(whole), probability(one_less)
    short = LENGTHS < LENGTH
    np.testing.assert_allclose(with_all[short], without_one[short], rtol=1e-5)


def test_soft_search_finds_negative_scores_before_padding() -> None:
    model = make("sim")
    search = model.get_layer("search")
    a, b = (np.abs(w) for w in search.get_weights())
    embeddings = model.get_layer("embeddings")
    embeddings.set_weights([np.abs(w) for w in embeddings.get_weights()])
    search.set_weights([a, -b])
    assert (values(model, "search") <= 0).all()
    _, mask = (
        np.asarray(x)
        for x in keras.Model(model.input, model.get_layer("found").output)(FEATURES)
    )
    np.testing.assert_array_equal(mask.sum(1), np.minimum(LENGTHS, 2))


def test_soft_search_learns_from_its_own_cross_entropy_alone() -> None:
    trained = {}
    for weight in (0.0, 1.0):
        params = {**MODELS["sim"], "auxiliary_weight": weight}
        keras.utils.set_random_seed(3)
        model = registry.build("sim", INPUTS, params)
        before = model.get_layer("search").get_weights()
        trainer = Trainer(
            model, TrainingParams(epochs=1, batch_size=4), registry.loss("sim", params)
        )
        examples = InMemoryExamples(FEATURES, np.arange(ROWS) % 2)
        trainer.train(examples, examples)
        after = model.get_layer("search").get_weights()
        trained[weight] = not all(map(np.array_equal, before, after))
    assert trained == {0.0: False, 1.0: True}


def test_the_loss_adds_cross_entropies_with_their_factors() -> None:
    labels = np.array([1, 0], np.float32)
    weights = np.array([1, 3], np.float32)
    logits = np.array([[0.5, -1.0], [2.0, 0.3]], np.float32)
    p = 1 / (1 + np.exp(-logits))
    each = -np.log(np.where(labels[:, None] > 0, p, 1 - p))
    want = (each * weights[:, None]).sum(0) / 4 @ [1.0, 0.25]
    loss = WeightedCrossEntropies((1.0, 0.25))
    assert float(loss(labels, logits, weights)) == pytest.approx(want, rel=1e-5)
    with pytest.raises(ValueError, match="none negative"):
        WeightedCrossEntropies((1.0, -1.0))


def test_hard_search_attends_to_the_latest_items_of_the_category() -> None:
    model = built("sim_hard")
    want = values(model, "long_attention")
    for row, n in enumerate(LENGTHS):
        same = FEATURES["history__category"][row] == FEATURES["category"][row]
        found = set(np.flatnonzero(same & REAL[row])[-2:].tolist())
        changed = {k: np.repeat(v[[row]], n, 0) for k, v in FEATURES.items()}
        places = np.arange(n)
        items = changed["history"][places, places]
        changed["history"][places, places] = items % 19 + 1
        if n:
            got = values(model, "long_attention", changed)
            moved = ~np.isclose(got, want[row], atol=1e-7).all(1)
            assert set(np.flatnonzero(moved).tolist()) == found
        if not found:
            np.testing.assert_array_equal(want[row], 0.0)


def test_hard_search_without_categories_says_so() -> None:
    bare = [i for i in INPUTS if i.name != "history__category"]
    with pytest.raises(ConfigError, match="needs a side sequence of the history"):
        registry.build("sim", bare, MODELS["sim_hard"])
    with pytest.raises(ConfigError, match="of `brand` of the history.*`category`"):
        registry.build("sim", INPUTS, {**MODELS["sim_hard"], "category": "brand"})
    named = make("sim_hard", category="category")
    np.testing.assert_array_equal(probability(named), probability(built("sim_hard")))


def test_hashes_find_the_nearest_items() -> None:
    model = built("eta")
    distance, found = (
        keras.Model(model.input, model.get_layer(n).output)(FEATURES)
        for n in ("distance", "found")
    )
    (rotation,) = model.get_layer("distance").get_weights()
    history, target = (embedded(model)[k] for k in ("history", "target"))
    differ = (history @ rotation > 0) != (target @ rotation > 0)[:, None]
    want = np.where(REAL, differ.sum(-1), 33)
    np.testing.assert_array_equal(distance, want)
    items, mask = (np.asarray(x) for x in found)
    for row in range(ROWS):
        nearest = np.sort(want[row][REAL[row]])[:2]
        kept = items[row][mask[row] > 0]
        hashed = ((kept @ rotation > 0) != (target[row] @ rotation > 0)).sum(-1)
        np.testing.assert_array_equal(np.sort(hashed), nearest)


@pytest.mark.parametrize("name", ["eta", "sdim"])
def test_hashes_never_change_and_are_saved(name: str, tmp_path: pathlib.Path) -> None:
    model = make(name)
    layer = "distance" if name == "eta" else "long_attention"
    (before,) = model.get_layer(layer).get_weights()
    trainer = Trainer(model, TrainingParams(epochs=2, batch_size=4))
    examples = InMemoryExamples(FEATURES, np.arange(ROWS) % 2)
    trainer.train(examples, examples)
    np.testing.assert_array_equal(model.get_layer(layer).get_weights()[0], before)
    other = make(name, hash_seed=4)
    assert not np.array_equal(other.get_layer(layer).get_weights()[0], before)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.get_layer(layer).get_weights()[0], before)
    np.testing.assert_allclose(probability(loaded), probability(model), rtol=1e-6)


@every_model
def test_what_is_exported_scores_alike_without_training_parts(
    name: str, tmp_path: pathlib.Path
) -> None:
    import tensorflow as tf

    model = built(name)
    scorer = scoring_model(model)
    names = {v.path for v in scorer.variables}
    assert not any(n.startswith("search_") for n in names)
    dropped = {v.path for v in model.variables} - names
    assert bool(dropped) == (name == "sim")
    scorer.export(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    assert {v.name.split(":")[0] for v in loaded.variables} == names
    got = loaded.serve({k: tf.constant(v) for k, v in FEATURES.items()})
    np.testing.assert_allclose(got, probability(model), rtol=0, atol=1e-6)


@every_model
def test_a_model_without_a_history_says_so(name: str) -> None:
    with pytest.raises(ConfigError, match="needs a history"):
        registry.build(name.split("_")[0], INPUTS[:3])
    with pytest.raises(ConfigError, match="must be a multiple of `heads`"):
        registry.parse_params(name.split("_")[0], {"attention_dim": 5})


@every_model
def test_a_user_is_ranked_with_the_history_as_it_is(name: str) -> None:
    model = built(name)
    rank = ranking_model(scoring_model(model))
    for row in (0, 6):
        user = {i.name: FEATURES[i.name][[row]] for i in INPUTS if i.role != "item"}
        items = {i.name: FEATURES[i.name] for i in INPUTS if i.role == "item"}
        got = np.asarray(rank({**user, **items}, training=False))
        each = {k: np.repeat(v, ROWS, 0) for k, v in user.items()} | items
        np.testing.assert_allclose(got, probability(model, each), rtol=1e-5)
    repeated = [
        layer.output.shape[1:] for layer in rank.layers if isinstance(layer, RepeatRows)
    ]
    assert not [shape for shape in repeated if LENGTH in shape or len(shape) > 1]
