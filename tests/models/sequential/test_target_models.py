"""DIN, DIEN, BST, and MISS beside them: whole models on every kind of input."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from sequence_shop import FEATURES, INPUTS, LABELS, LENGTH, fill

from clickwright.models import registry
from clickwright.models.ranking import ranking_model
from clickwright.models.scoring import scoring_model
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.trainer import Trainer
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput

Array = NDArray[Any]

D = 4
ITEM = 4 * D  # item, shop, tags and photo
CONTEXT = 5 * D  # user, hour, bought, price and logo
ROWS = len(LABELS)
HISTORIES = ("seen", "seen__shop", "seen__age")
SMALL = {"embedding_dim": D, "embedding_stddev": 0.5, "hidden_units": (8, 6)}
DIN = {**SMALL, "attention_units": (5, 3)}
DIEN = {**SMALL, "auxiliary_units": (5,)}
BST = {**SMALL, "heads": 2}
OFFICIAL = {
    **DIN,
    "softmax": True,
    "attention_activation": "sigmoid",
    "activation": "sigmoid",
    "batch_norm": False,
    "official_head": True,
}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "bst": ("bst", BST),
    "bst_age": ("bst", {**BST, "position": "age", "pooling": "mean"}),
    "bst_concat": ("bst", {**BST, "pooling": "concat"}),
    "bst_sum": ("bst", {**BST, "pooling": "sum", "blocks": 2}),
    "dien": ("dien", DIEN),
    "dien_official": ("dien", {**DIEN, "augru": "official", "sum_pooling": True}),
    "dien_wide": ("dien", {**DIEN, "state_units": 5, "auxiliary_weight": 0.0}),
    "din": ("din", DIN),
    "din_dice": ("din", {**DIN, "attention_activation": "dice"}),
    "din_official": ("din", OFFICIAL),
    "miss": ("miss", {"base_params": DIN, "widths": 2}),
    "miss_bst": ("miss", {"base": "bst", "base_params": BST, "widths": 2}),
    "miss_dien": ("miss", {"base": "dien", "base_params": DIEN, "widths": 2}),
}
every_model = pytest.mark.parametrize("name", sorted(MODELS))


def make(
    name: str, inputs: Sequence[ModelInput] = INPUTS, **changed: Any
) -> keras.Model:
    keras.utils.set_random_seed(4)
    model, params = MODELS[name]
    return fill(registry.build(model, inputs, {**params, **changed}))


@functools.cache
def built(name: str) -> keras.Model:
    model = make(name)
    random = np.random.default_rng(6)
    for v in model.trainable_variables:  # no part near zero
        v.assign_add(random.normal(0.0, 0.2, v.shape))
    return model


def scores(model: keras.Model, features: Any = FEATURES) -> Array:
    return np.asarray(model(features, training=False)["probability"])


def values(model: keras.Model, layer: str, features: Any = FEATURES) -> Any:
    graph = keras.Model(model.input, model.get_layer(layer).output)
    return keras.tree.map_structure(np.asarray, graph(features, training=False))


def embedded(model: keras.Model, features: Any = FEATURES) -> dict[str, Array]:
    layer = model.get_layer("embeddings")
    names = sorted(layer.compute_output_shape({i.name: (1, 1) for i in layer.inputs}))
    found = keras.Model(model.input, layer.output)(features, training=False)
    return dict(zip(names, map(np.asarray, found), strict=True))


def moved(features: Any, before: int, after: int) -> dict[str, Array]:
    """The same histories with more padding."""
    return {
        k: np.pad(v, [(0, 0), (before, after)]) if k in HISTORIES else v
        for k, v in features.items()
    }


def longer(name: str, length: int) -> keras.Model:
    """The built model, of a longer history, with its weights."""
    inputs = [
        dataclasses.replace(i, length=length) if i.name in HISTORIES else i
        for i in INPUTS
    ]
    model, short = make(name, inputs), built(name)
    for new, old in zip(model.weights, short.weights, strict=True):
        if new.shape == old.shape:
            new.assign(old)
        else:  # positions that a shorter history has not
            assert new.path == "tokens/positions"
            more = np.asarray(new)[old.shape[0] :]
            new.assign(np.concatenate([np.asarray(old), more]))
    return model


def tower(width: int, batch_norm: bool = True) -> int:
    norms = 2 * (8 + 6) if batch_norm else 0
    return (width * 8 + 8) + (8 * 6 + 6) + norms + 6 + 1


TABLES = (7 + 9 + 5 + 5 + 6 + 6 + 1) * D + (5 + 2) * D  # and kernels of the vectors
ATTENTION = (4 * ITEM * 5 + 5) + (5 * 3 + 3) + 3 + 1
BLOCK = 6 * (ITEM + D) ** 2 + 6 * (ITEM + D)
EVOLUTION = 3 * (ITEM * ITEM + ITEM * ITEM + 2 * ITEM) * 2 + ITEM * ITEM
NETWORK = (2 * ITEM * 5 + 5) + 5 + 1


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("din", ATTENTION + tower(CONTEXT + 2 * ITEM)),
        ("din_dice", ATTENTION + (5 + 3) + tower(CONTEXT + 2 * ITEM)),
        (
            "din_official",
            ATTENTION
            + (2 * ITEM + ITEM * ITEM + ITEM + 2 * (CONTEXT + 2 * ITEM) + 9)
            + tower(CONTEXT + 2 * ITEM, batch_norm=False),
        ),
        ("dien", EVOLUTION + NETWORK + tower(CONTEXT + 2 * ITEM)),
        ("dien_official", EVOLUTION + NETWORK + tower(CONTEXT + 4 * ITEM)),
        (
            "dien_wide",
            3 * (ITEM * 5 + 25 + 10)
            + 3 * (2 * 25 + 10)
            + ITEM * 5
            + tower(CONTEXT + ITEM + 5),
        ),
        ("bst", (LENGTH + 1) * D + BLOCK + tower(CONTEXT + 2 * ITEM + D)),
        ("bst_age", D + BLOCK + tower(CONTEXT + 2 * ITEM + D)),
        ("bst_sum", (LENGTH + 1) * D + 2 * BLOCK + tower(CONTEXT + 2 * ITEM + D)),
        (
            "bst_concat",
            (LENGTH + 1) * D
            + BLOCK
            + tower(CONTEXT + ITEM + (LENGTH + 1) * (ITEM + D)),
        ),
    ],
)
def test_parameters_number_as_stated(name: str, want: int) -> None:
    trainable = built(name).trainable_variables
    assert sum(int(np.prod(v.shape)) for v in trainable) == TABLES + want


@every_model
def test_more_padding_on_either_side_changes_nothing(name: str) -> None:
    if name == "bst_concat":
        pytest.skip("its tower reads every place")
    wide, want = longer(name, LENGTH + 3), scores(built(name))
    for before, after in ((3, 0), (0, 3), (1, 2)):
        got = scores(wide, moved(FEATURES, before, after))
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6)


@every_model
def test_an_empty_history_is_what_the_model_without_histories_sees(name: str) -> None:
    model = built(name)
    empty = {k: v * 0 if k in HISTORIES else v for k, v in FEATURES.items()}
    got = scores(model, empty)
    assert np.isfinite(got).all()
    assert not np.allclose(got, scores(model), atol=1e-4)
    layer = {"din": "attention", "dien": "evolution"}.get(name.split("_")[0])
    if layer:
        assert not values(model, layer, empty).any()
    registered, params = MODELS[name]
    changed: dict[str, Any] = {"without": ("history",)}
    if registered == "miss":
        changed = {"base_params": {**params["base_params"], **changed}}
    without = make(name, **changed)
    known = {v.path: v for v in model.weights}
    for v in without.weights:
        if "seed_generator" not in v.path:
            v.assign(known[v.path])
    np.testing.assert_allclose(scores(without), got, rtol=1e-5)


@every_model
def test_a_batch_without_any_event_trains(name: str) -> None:
    registered, params = MODELS[name]
    empty = {k: v * 0 if k in HISTORIES else v for k, v in FEATURES.items()}
    model = make(name)
    trainer = Trainer(
        model,
        TrainingParams(epochs=1, batch_size=4, learning_rate=0.01),
        registry.loss(registered, params),
    )
    examples = InMemoryExamples(empty, LABELS)
    (record,) = trainer.train(examples, examples)
    assert np.isfinite(record.loss or np.nan)
    assert np.isfinite(scores(model)).all()


@pytest.mark.parametrize(
    ("name", "matters"),
    [
        ("din", False),
        ("din_official", False),
        ("bst_age", False),
        ("bst", True),
        ("dien", True),
    ],
)
def test_the_order_of_events_matters_where_it_should(name: str, matters: bool) -> None:
    model = built(name)
    full = {k: v.copy() for k, v in FEATURES.items()}
    full["seen"] = np.maximum(full["seen"], 1)
    turned = {k: v[:, ::-1] if k in HISTORIES else v for k, v in full.items()}
    same = np.allclose(scores(model, turned), scores(model, full), atol=1e-5)
    assert same != matters


def test_the_tower_of_din_reads_context_target_and_interest() -> None:
    model = built("din")
    found = embedded(model)
    interest = values(model, "attention")
    want = np.concatenate(
        [found["context"].reshape(ROWS, -1), found["target"], interest], axis=1
    )
    np.testing.assert_array_equal(values(model, "concatenate"), want)


def test_the_official_head_of_din_normalizes_projects_and_adds_an_item_bias() -> None:
    model = built("din_official")
    found = embedded(model)
    gamma, beta, mean, variance = (
        np.asarray(w) for w in model.get_layer("interest_norm").get_weights()
    )
    u = (values(model, "attention") - mean) / np.sqrt(variance + 1e-5) * gamma + beta
    kernel, bias = (np.asarray(w) for w in model.get_layer("interest").get_weights())
    x = np.concatenate(
        [found["context"].reshape(ROWS, -1), found["target"], u @ kernel + bias], axis=1
    )
    gamma, beta, mean, variance = (
        np.asarray(w) for w in model.get_layer("input_norm").get_weights()
    )
    x = (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta
    w = [np.asarray(v) for v in model.get_layer("tower").get_weights()]
    for kernel, bias in (w[:2], w[2:]):
        x = 1.0 / (1.0 + np.exp(-(x @ kernel + bias)))
    kernel, bias = (np.asarray(v) for v in model.get_layer("head").get_weights())
    rows = np.asarray(model.get_layer("linear").weights[0]).reshape(-1)
    logit = (x @ kernel + bias)[:, 0] + rows[FEATURES["item"]]
    np.testing.assert_allclose(
        scores(model), 1.0 / (1.0 + np.exp(-logit)), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", ["dien", "dien_official"])
def test_dien_evolves_interests_as_its_equations_say(name: str) -> None:
    model = built(name)
    found = embedded(model)
    gru = model.get_layer("states")
    kernel = np.asarray(model.get_layer("attention").kernel)
    augru = [np.asarray(w) for w in model.get_layer("evolution").get_weights()]
    got = values(model, "evolution")

    def sigmoid(x: Array) -> Array:
        return 1.0 / (1.0 + np.exp(-x))

    for row in range(ROWS):
        events = found["history"][row][FEATURES["seen"][row] > 0]
        state = np.zeros(ITEM)
        if len(events):
            states = np.asarray(gru(events[None]))[0]
            attention = np.exp(states @ (found["target"][row] @ kernel))
            attention /= attention.sum()
            for x, a in zip(states, attention, strict=True):
                xs = np.split(x @ augru[0] + augru[2], 3)
                hs = np.split(state @ augru[1] + augru[3], 3)
                u, r = sigmoid(xs[0] + hs[0]), sigmoid(xs[1] + hs[1])
                n = np.tanh(xs[2] + r * hs[2])
                if name == "dien":
                    state = (1 - a * u) * state + a * u * n
                else:
                    keep = (1 - a) * u
                    state = keep * state + (1 - keep) * n
        np.testing.assert_allclose(got[row], state, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["bst", "bst_age", "bst_concat", "bst_sum"])
def test_bst_pools_the_tokens_as_told(name: str) -> None:
    model = built(name)
    blocks = [x.name for x in model.layers if x.name.startswith("block_")]
    tokens = values(model, blocks[-1])
    mask = np.concatenate([FEATURES["seen"] > 0, np.ones((ROWS, 1), bool)], 1)
    real = tokens * mask[..., None]
    want = {
        "bst": tokens[:, -1],
        "bst_age": real.sum(1) / mask.sum(1, keepdims=True),
        "bst_concat": real.reshape(ROWS, -1),
        "bst_sum": real.sum(1),
    }[name]
    got = values(model, "concatenate")[:, CONTEXT + ITEM :]
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@every_model
def test_a_saved_model_scores_alike_and_holds_no_training_part(
    name: str, tmp_path: pathlib.Path
) -> None:
    model = built(name)
    scorer = scoring_model(model)
    paths = [v.path for v in scorer.variables]
    assert not [p for p in paths if p.startswith(("ssl", "auxiliary"))]
    trained = [v.path.split("/")[0] for v in model.trainable_variables]
    registered, params = MODELS[name]
    assert ("ssl" in trained) == (registered == "miss")
    base = params.get("base", registered)
    assert ("auxiliary" in trained) == (base == "dien" and name != "dien_wide")
    scorer.export(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    served = loaded.serve({k: tf.constant(v) for k, v in FEATURES.items()})
    np.testing.assert_allclose(served, scores(model), rtol=0, atol=1e-6)
    assert len(loaded.variables) == len(scorer.variables)


@every_model
def test_a_model_is_saved_and_loaded_with_its_item_tables(
    name: str, tmp_path: pathlib.Path
) -> None:
    model = built(name)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(scores(loaded), scores(model), rtol=1e-6)


@every_model
def test_ranking_many_items_scores_as_row_by_row(name: str) -> None:
    model = scoring_model(built(name))
    ranker = ranking_model(model)
    items = {i.name for i in INPUTS if i.role == "item" and i.is_tensor}
    for row in (0, 1, 7):  # without events, with all places full, and one between
        one = {k: v if k in items else v[row : row + 1] for k, v in FEATURES.items()}
        tiled = {
            k: v if k in items else np.repeat(v[row : row + 1], ROWS, 0)
            for k, v in FEATURES.items()
        }
        np.testing.assert_allclose(
            ranker(one, training=False),
            model(tiled, training=False),
            rtol=1e-5,
            atol=1e-6,
        )


def test_dien_encodes_a_history_once_for_all_candidates() -> None:
    ranker = ranking_model(scoring_model(built("dien")))
    assert ranker.get_layer("states").output.shape
    node = ranker.get_layer("evolution")._inbound_nodes[-1]
    history = node.arguments.args[0]["history"]
    assert history.shape[0] == 1


# MISS


def test_miss_without_weights_is_its_base() -> None:
    base = make("din")
    miss = make("miss", interest_weight=0.0, feature_weight=0.0)
    assert [v.path for v in miss.weights] == [v.path for v in base.weights]
    np.testing.assert_array_equal(scores(miss), scores(base))
    gradients = []
    for model in (base, miss):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(FEATURES, training=False)["probability"])
            loss += tf.add_n(model.losses)
        found = tape.gradient(loss, model.trainable_variables)
        gradients.append([np.asarray(tf.convert_to_tensor(g)) for g in found])
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-7)


@pytest.mark.parametrize("base", ["bst", "dien", "din", "eta", "qin", "sim", "twin"])
def test_miss_teaches_any_model_of_a_history(base: str) -> None:
    small = {"embedding_dim": D, "embedding_stddev": 0.5}
    if base == "bst":
        small["heads"] = 2
    miss = fill(registry.build("miss", INPUTS, {"base": base, "base_params": small}))
    plain = fill(registry.build(base, INPUTS, small))
    known = {v.path: v for v in miss.weights}
    for v in plain.weights:
        if "seed_generator" not in v.path:
            v.assign(known[v.path])
    np.testing.assert_allclose(scores(miss), scores(plain), rtol=1e-6)
    miss(FEATURES, training=True)
    assert len(miss.losses) >= len(plain.losses) + 2
    want = registry.parse_params(base, small)
    got = registry.parse_params("miss", {"base": base, "base_params": small})
    assert got.table_width == want.table_width
    assert got.kept_rows(50) == want.kept_rows(50)


def test_contrasts_reach_only_the_rows_of_events() -> None:
    model = make("miss", base_params={**DIN, "l2": 0.0})
    table = model.get_layer("embeddings").embeddings
    with tf.GradientTape() as tape:
        model(FEATURES, training=True)
        loss = tf.add_n(model.get_layer("ssl").losses)
    gradient = np.asarray(tf.convert_to_tensor(tape.gradient(loss, table)))
    layer = model.get_layer("embeddings")
    reached = set(np.flatnonzero(np.abs(gradient).sum(1)))
    allowed = set()
    for name in ("seen", "seen__shop"):
        first, _ = layer.row_ranges[name]
        # Padding has id 0; an event's side may be missing, which is row 0 of its table.
        real = FEATURES["seen"] > 0
        allowed |= {first + i for i in FEATURES[name][real].tolist()}
    first, stop = layer.row_ranges["tags"]
    allowed |= set(range(first + 1, stop))
    assert reached
    assert reached <= allowed
    assert layer.row_ranges["item"][0] not in reached


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"base": "dnn"}, "which `dnn` is not"),
        ({"base": "miss"}, "which `miss` is not"),
        ({"base": "dim"}, "Unknown model `dim`"),
        ({"base_params": {"units": 3}}, "`units`: unknown key"),
    ],
)
def test_miss_refuses_what_is_no_model_of_a_history(
    params: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        registry.parse_params("miss", params)
    assert caught.value.where.startswith("model.params.base")


def test_miss_needs_histories_that_hold_two_windows() -> None:
    short = [
        dataclasses.replace(i, length=1) if i.name in HISTORIES else i for i in INPUTS
    ]
    with pytest.raises(ConfigError, match="leaves nothing to contrast"):
        make("miss", short)


# What models of a history need


@pytest.mark.parametrize("name", ["bst", "dien", "din", "miss"])
def test_a_model_without_a_history_says_what_it_needs(name: str) -> None:
    with pytest.raises(ConfigError, match="needs a history"):
        make(name, [i for i in INPUTS if i.kind == "id"])


def test_bst_says_what_does_not_fit() -> None:
    with pytest.raises(ConfigError, match="3 heads"):
        make("bst", heads=3)
    without_ages = [i for i in INPUTS if i.name != "seen__age"]
    with pytest.raises(ConfigError, match="has no times to take positions from"):
        make("bst_age", without_ages)


@pytest.mark.parametrize("name", ["bst", "dien", "din", "miss"])
def test_a_history_and_its_item_are_enough(name: str) -> None:
    least = [i for i in INPUTS if i.name in ("item", "seen")]
    model = make(name, least)
    given = {i.name: FEATURES[i.name] for i in least}
    assert np.isfinite(scores(model, given)).all()
