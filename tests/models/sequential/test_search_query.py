"""The search-query model: what queries add, what is learned beside, what is served."""

import functools
import json
import pathlib
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from clickwright.components.ingestion.histories import EventHistories
from clickwright.models import registry
from clickwright.models.layers.query_contrast import QueryContrast
from clickwright.models.layers.query_diffusion import QueryDiffusion
from clickwright.models.layers.repeat_rows import RepeatRows
from clickwright.models.losses.click_and_next_item import ClickAndNextItem
from clickwright.models.ranking import ranking_model
from clickwright.models.scoring import scoring_model
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.spec import FeatureSpec

L, LQ, D, ROWS = 5, 4, 4, 8


def model_inputs(queries: int = LQ) -> tuple[ModelInput, ...]:
    """Queries stand before the history, so that their order says nothing."""
    return (
        ModelInput("user", "id", "user", "user", 5),
        ModelInput("query", "id", "context", "query", 9),
        ModelInput("queries", "sequence", "user", "query", 9, queries),
        ModelInput(
            "queries__clicked",
            "sequence",
            "user",
            "item",
            20,
            queries,
            side_of="queries",
        ),
        ModelInput("item", "id", "item", "item", 20),
        ModelInput("category", "id", "item", "category", 4),
        ModelInput("history", "sequence", "user", "item", 20, L),
        ModelInput(
            "history__category", "sequence", "user", "category", 4, L, side_of="history"
        ),
    )


INPUTS = model_inputs()
QUERIES = ("queries", "queries__clicked")
random = np.random.default_rng(5)
COUNTS = {L: np.array([5, 4, 3, 2, 1, 0, 2, 5]), LQ: np.array([0, 1, 2, 3, 4, 4, 2, 0])}
FEATURES: dict[str, Any] = {
    i.name: np.where(
        np.arange(i.length) < COUNTS[i.length][:, None],
        random.integers(1, i.rows, (ROWS, i.length)),
        0,
    )
    if i.length
    else random.integers(1, i.rows, ROWS)
    for i in INPUTS
}
FEATURES["queries__clicked"] *= random.random((ROWS, LQ)) < 0.5
SMALL: dict[str, Any] = {
    "embedding_dim": D,
    "embedding_stddev": 0.5,
    "hidden_units": (6, 5),
    "attention_units": (5, 3),
    "cross_layers": 2,
    "l2": 0.0,
    "dropout": 0.0,
}
BASES = ("din", "dcnv2")
NOTHING = {"next_item_weight": 0.0, "contrast_weight": 0.0, "diffusion_weight": 0.0}
every_base = pytest.mark.parametrize("base", BASES)


def make(base: str, inputs: Any = INPUTS, **params: Any) -> keras.Model:
    keras.utils.set_random_seed(3)
    return registry.build("search_query", inputs, {**SMALL, "base": base, **params})


@functools.cache
def built(base: str) -> keras.Model:
    return make(base)


def probability(model: keras.Model, features: Any = FEATURES) -> Any:
    return np.asarray(model(features, training=False)["probability"])


def values(model: keras.Model, layer: str, features: Any = FEATURES) -> Any:
    graph = keras.Model(model.input, model.get_layer(layer).output)
    return np.asarray(graph(features, training=False))


def without_queries(features: Any = FEATURES) -> dict[str, Any]:
    return {k: v * 0 if k in QUERIES else v for k, v in features.items()}


def share_tables(model: keras.Model, base: keras.Model) -> None:
    """Copies the rows of the tables that the base has too."""
    own, its = model.get_layer("embeddings"), base.get_layer("embeddings")
    (rows,), (table,) = own.get_weights(), its.get_weights()
    for name, (start, stop) in its.row_ranges.items():
        first, last = own.row_ranges[name]
        table[start:stop] = rows[first:last]
    its.set_weights([table])


def test_din_without_queries_is_the_base_model() -> None:
    model = make("din", **NOTHING)
    assert set(model.output) == {"probability"}
    own = {k: SMALL[k] for k in SMALL if k != "cross_layers"} | {
        "attention_dropout": 0.0
    }
    rest = [i for i in INPUTS if i.name not in QUERIES]
    base = registry.build("din", rest, own)
    share_tables(model, base)
    for name in ("attention", "head"):
        base.get_layer(name).set_weights(model.get_layer(name).get_weights())
    # The interest of the queries comes last in what the tower reads.
    first, *others = model.get_layer("tower").get_weights()
    assert first.shape[0] == 7 * D
    base.get_layer("tower").set_weights([first[: 6 * D], *others])
    features = {i.name: FEATURES[i.name] for i in rest}
    want = probability(base, features)
    np.testing.assert_allclose(
        probability(model, without_queries()), want, rtol=1e-5, atol=1e-7
    )
    assert not np.allclose(probability(model), want, atol=1e-4)


def test_dcnv2_without_queries_is_the_base_model() -> None:
    model = make("dcnv2", **NOTHING)
    rest = [i for i in INPUTS if i.name not in QUERIES]
    own = {k: v for k, v in SMALL.items() if k != "attention_units"}
    base = registry.build("dcnv2", rest, own)
    n = 6 * D
    for name in ("cross_0", "cross_1"):
        kernel, bias = model.get_layer(name).get_weights()
        assert kernel.shape == (n + D, n + D)
        base.get_layer(name).set_weights([kernel[:n, :n], bias[:n]])
    first, *others = model.get_layer("tower").get_weights()
    base.get_layer("tower").set_weights([first[:n], *others])
    head, bias = model.get_layer("head").get_weights()
    base.get_layer("head").set_weights([np.delete(head, np.r_[n : n + D], 0), bias])
    share_tables(model, base)
    features = {i.name: FEATURES[i.name] for i in rest}
    want = probability(base, features)
    got = probability(model, without_queries())
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-7)
    assert not np.allclose(probability(model), want, atol=1e-4)


@every_base
def test_more_padding_on_either_side_changes_nothing(base: str) -> None:
    model = built(base)
    want = probability(model)
    wide = make(base, model_inputs(LQ + 3))
    for variable, like in zip(wide.weights, model.weights, strict=True):
        value = np.asarray(like)
        if variable.path.endswith("places"):
            value = np.concatenate([value, np.full((3, D), 9.0, np.float32)])
        variable.assign(value)
    for before in (0, 1, 3):
        padded = {
            k: np.pad(v, [(0, 0), (before, 3 - before)]) if k in QUERIES else v
            for k, v in FEATURES.items()
        }
        np.testing.assert_allclose(probability(wide, padded), want, rtol=1e-5)


@every_base
def test_a_user_without_queries_has_no_interest_of_them(base: str) -> None:
    got = values(built(base), "query_attention")
    none = COUNTS[LQ] == 0
    np.testing.assert_array_equal(got[none], 0.0)
    assert (np.abs(got[~none]).max(1) > 1e-4).all()


def test_a_query_sees_those_before_it_alone() -> None:
    model = built("din")
    want = values(model, "query_encoder")
    changed = {k: np.array(v) for k, v in FEATURES.items()}
    row = int(np.flatnonzero(COUNTS[LQ] == 4)[0])
    changed["queries"][row, 2] = changed["queries"][row, 2] % 8 + 1
    got = values(model, "query_encoder", changed)
    np.testing.assert_allclose(got[row, :2], want[row, :2], atol=1e-6)
    assert (np.abs(got[row, 2:] - want[row, 2:]).max(1) > 1e-4).all()
    np.testing.assert_array_equal(want[FEATURES["queries"] == 0], 0.0)


def test_the_ablation_takes_history_and_queries_away() -> None:
    model = built("din")
    bare = make("din", without=("history",))
    bare.set_weights(model.get_weights())
    empty = {k: v * 0 if v.ndim > 1 else v for k, v in FEATURES.items()}
    np.testing.assert_allclose(probability(bare), probability(model, empty), rtol=1e-6)


def test_noise_is_that_of_the_published_schedule() -> None:
    kept_ = QueryDiffusion(1000).kept
    want = {0: 0.9999, 200: 0.656347, 400: 0.193572, 800: 0.00150752}
    for step, value in want.items():
        assert kept_[step] == pytest.approx(value, rel=1e-5)
    short = QueryDiffusion(50).kept
    assert short[-1] < 1e-3 and (np.diff(short) < 0).all()


@pytest.mark.parametrize("steps", [50, 1000])
def test_a_reverse_chain_of_perfect_guesses_recovers_the_item(steps: int) -> None:
    items = random.normal(size=(6, D)).astype(np.float32)
    noise = random.normal(size=(6, D)).astype(np.float32)

    class Perfect(QueryDiffusion):
        """Knows the noise, and so the item, at each step."""

        def call(self, inputs: Any) -> Any:
            a = np.take(self.kept, np.asarray(inputs["step"]))[:, None]
            return (inputs["noised"] - np.sqrt(1 - a) * noise) / np.sqrt(a)

    layer = Perfect(steps)
    layer({"noised": items, "query": items, "step": np.zeros(6, "int32")})
    start = steps * 4 // 5
    a = layer.kept[start]
    want = np.sqrt(a) * items + np.sqrt(1 - a) * noise
    noised = layer.noised(items, np.full(6, start), noise)
    np.testing.assert_allclose(noised, want, rtol=1e-5)
    # The chain starts from the noised vector that it is given.
    got = layer.generate(items, noise)
    np.testing.assert_allclose(got, items, rtol=1e-3, atol=1e-3)


def contrast(**params: Any) -> tuple[QueryContrast, dict[str, Any]]:
    keras.utils.set_random_seed(2)
    layer = QueryContrast(**params)
    inputs = {
        "logits": random.normal(size=(ROWS, 2)).astype(np.float32),
        "queries": random.normal(size=(ROWS, LQ, D)).astype(np.float32),
        "items": random.normal(size=(ROWS, LQ, D)).astype(np.float32),
        "query_ids": FEATURES["queries"],
        "item_ids": FEATURES["queries__clicked"],
    }
    layer(inputs)
    return layer, inputs


def test_the_contrast_teaches_the_diffusion_nothing() -> None:
    layer, inputs = contrast(weight=1.0, diffusion_weight=1.0)
    assert layer.diffusion is not None
    asked, clicked = inputs["query_ids"] > 0, inputs["item_ids"] > 0
    assert (asked & ~clicked).any() and clicked.any()
    queries = tf.constant(inputs["queries"])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(queries)
        loss = layer.contrast({**inputs, "queries": queries}, asked, asked & clicked)
        error = layer.diffusion.loss(
            inputs["items"][:, 0], inputs["queries"][:, 0], clicked[:, 0]
        )
    weights = layer.diffusion.trainable_variables
    assert tape.gradient(loss, weights) == [None] * len(weights)
    assert all(g is not None for g in tape.gradient(error, weights))
    heads = [v for x in (*layer.query_head, *layer.item_head) for v in x.weights]
    assert all(g is not None for g in tape.gradient(loss, heads))
    assert tape.gradient(loss, queries) is not None


def test_the_diffusions_error_moves_no_vectors() -> None:
    layer, inputs = contrast(weight=0.0, diffusion_weight=1.0)
    queries, items = tf.constant(inputs["queries"]), tf.constant(inputs["items"])
    with tf.GradientTape() as tape:
        tape.watch([queries, items])
        loss = layer.losses_of({**inputs, "queries": queries, "items": items})
    assert float(loss) > 0
    assert tape.gradient(loss, [queries, items]) == [None, None]


def test_rows_alike_are_no_negatives_and_identical_views_have_the_known_loss() -> None:
    layer, _ = contrast(weight=1.0, diffusion_weight=0.0, temperature=1.0)
    for head in (layer.query_head, layer.item_head):
        for part in head:
            part.set_weights([np.eye(D, dtype=np.float32), np.zeros(D, np.float32)])
    one = {
        "queries": np.eye(4, dtype=np.float32)[:, None],
        "items": np.eye(4, dtype=np.float32)[:, None],
        "query_ids": np.arange(1, 5)[:, None],
        "item_ids": np.arange(1, 5)[:, None],
    }
    yes = np.ones((4, 1), bool)
    # -log(e / (e + 3)): orthonormal views at temperature 1.
    assert float(layer.contrast(one, yes, yes)) == pytest.approx(0.743668, abs=1e-5)
    same = {**one, "query_ids": np.array([[1], [1], [3], [4]])}
    want = (2 * -np.log(np.e / (np.e + 2)) + 2 * 0.743668) / 4
    assert float(layer.contrast(same, yes, yes)) == pytest.approx(want, abs=1e-5)
    same = {**one, "item_ids": np.array([[1], [1], [3], [4]])}
    assert float(layer.contrast(same, yes, yes)) == pytest.approx(want, abs=1e-5)
    # Without a diffusion queries that led to nothing are left out.
    part = np.array([[True], [True], [False], [False]])
    want = -np.log(np.e / (np.e + 1))
    assert float(layer.contrast(one, yes, part)) == pytest.approx(want, abs=1e-5)


def test_a_batch_without_queries_or_clicks_adds_nothing() -> None:
    layer, inputs = contrast(weight=1.0, diffusion_weight=1.0)
    none = {**inputs, "query_ids": inputs["query_ids"] * 0}
    assert float(layer.losses_of(none)) == 0.0
    unclicked = {**inputs, "item_ids": inputs["item_ids"] * 0}
    assert np.isfinite(float(layer.losses_of(unclicked)))


def test_next_items_are_told_by_the_last_query_of_clicked_rows() -> None:
    model = built("din")
    layer = model.get_layer("next_item")
    assert float(np.abs(layer_of(model, training=False)).max()) == 0.0
    got = layer_of(model, training=True)[:, 0]
    (kernel,) = layer.get_weights()
    states = values(model, "query_encoder")
    found = keras.Model(model.input, model.get_layer("embeddings").output)(FEATURES)
    items = next(np.asarray(x) for x in found if len(x.shape) == 2)[:, :D]
    ids = FEATURES["item"]
    for row, n in enumerate(COUNTS[LQ]):
        scores = states[row, max(n - 1, 0)] @ kernel @ items.T
        counts = (ids != ids[row]) | (np.arange(ROWS) == row)
        want = np.log(np.exp(scores[counts]).sum()) - scores[row] if n else 0.0
        assert got[row] == pytest.approx(want, abs=1e-4)
    loss = ClickAndNextItem(0.5)
    labels = np.array([1, 0, 1, 0], np.float32)
    columns = np.array([[0.1, 2.0], [0.3, 5.0], [-0.2, 4.0], [0.0, 7.0]], np.float32)
    weights = np.array([1, 1, 3, 1], np.float32)
    p = 1 / (1 + np.exp(-columns[:, 0]))
    hard = (-np.log(np.where(labels > 0, p, 1 - p)) * weights).sum() / 6
    want = hard + 0.5 * (2.0 + 3 * 4.0) / 4
    assert float(loss(labels, columns, weights)) == pytest.approx(want, rel=1e-5)


def layer_of(model: keras.Model, training: bool) -> Any:
    graph = keras.Model(model.input, model.get_layer("next_item").output)
    return np.asarray(graph(FEATURES, training=training))


@every_base
def test_what_is_learned_beside_is_not_exported(
    base: str, tmp_path: pathlib.Path
) -> None:
    model = built(base)
    model(FEATURES, training=True)
    scorer = scoring_model(model)
    dropped = {v.path for v in model.weights} - {v.path for v in scorer.weights}
    assert {p.split("/")[0] for p in dropped} == {"next_item", "query_contrast"}
    scorer.export(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    names = [v.name for v in loaded.variables]
    assert len(names) == len(scorer.variables)
    assert not [n for n in names if n.startswith(("next_item", "query_contrast"))]
    got = loaded.serve({k: tf.constant(v) for k, v in FEATURES.items()})
    np.testing.assert_allclose(got, probability(model), rtol=0, atol=1e-6)


@every_base
def test_queries_are_encoded_once_for_all_items(base: str) -> None:
    model = built(base)
    rank = ranking_model(scoring_model(model))
    user = {i.name: FEATURES[i.name][[3]] for i in INPUTS if i.role != "item"}
    items = {i.name: FEATURES[i.name] for i in INPUTS if i.role == "item"}
    each = {k: np.repeat(v, ROWS, 0) for k, v in user.items()} | items
    got = rank({**user, **items}, training=False)
    np.testing.assert_allclose(got, probability(model, each), rtol=1e-5)
    repeated = [x.output.shape for x in rank.layers if isinstance(x, RepeatRows)]
    assert not [shape for shape in repeated if len(shape) > 2 or shape[1] in (L, LQ)]


def test_a_model_without_queries_says_so() -> None:
    rest = [i for i in INPUTS if i.name not in QUERIES]
    with pytest.raises(ConfigError, match="needs the queries of a user"):
        registry.build("search_query", rest, SMALL)
    rest = [i for i in INPUTS if i.name not in ("history", "history__category")]
    with pytest.raises(ConfigError, match="needs a history"):
        registry.build("search_query", [i for i in rest if i.name != "query"], SMALL)
    with pytest.raises(ConfigError, match="must not exceed `diffusion_steps`"):
        registry.parse_params("search_query", {"diffusion_steps": 3})
    with pytest.raises(ConfigError, match="must be a multiple of `heads`"):
        registry.parse_params("search_query", {"heads": 3})


def test_a_spec_says_what_was_searched_for_before_the_row_and_no_later() -> None:
    spec = FeatureSpec.model_validate_json(
        json.dumps(
            {
                "name": "log",
                "labels": {"click": {}},
                "timestamp": "time",
                "split": {"kind": "given"},
                "features": {
                    "user": {"kind": "categorical", "role": "user"},
                    "item": {"kind": "categorical", "role": "item"},
                    "query": {"kind": "categorical", "role": "context"},
                    "queries": {
                        "kind": "sequence",
                        "role": "user",
                        "of": "query",
                        "max_length": 6,
                        "side": {"clicked": {"of": "item", "column": "clicked"}},
                        "events": {"key": "user", "timestamp": "at"},
                    },
                    "history": {"kind": "sequence", "role": "user", "of": "item"},
                },
            }
        )
    )
    sizes = {"user": 3, "item": 9, "query": 5}
    model = registry.build("search_query", spec.model_inputs(sizes), SMALL)
    assert model.get_layer("query_encoder").places.shape == (6, D)

    at, users = random.integers(100, 160, 80), random.integers(0, 3, 80)
    clicked = pa.array(["", "a", "b"]).take(pa.array(random.integers(0, 3, 80)))
    asked = pa.array([f"{time} {item}" for time, item in zip(at, clicked, strict=True)])
    events, _ = EventHistories.sort(
        pa.array(["u", "v", "w"]), users, at, {"queries": asked, "clicked": clicked}
    )
    times = random.integers(95, 165, 50)
    who = pa.array(["u", "v", "w"]).take(pa.array(random.integers(0, 3, 50)))
    found = events.before(who, times, 6)
    lists = (found[name].to_pylist() for name in ("queries", "clicked"))
    for time, queries, items in zip(times, *lists, strict=True):
        # What a row's item is told from is older than the row.
        assert all(int(query.split()[0]) < time for query in queries)
        assert [query.split(" ")[1] for query in queries] == items
    assert max(map(len, found["queries"].to_pylist())) == 6
