import pathlib
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from clickwright.models import registry
from clickwright.models.ranking import ranking_model
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.trainer import Trainer
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput

ITEMS, TAGS, PLACES, WIDTH = 40, 12, 6, 5
TABLES = ("likes_level", "views_level", "item_id", "item_tags")


def shop_inputs(
    items: int = ITEMS, tags: int = TAGS, places: int = PLACES, width: int = WIDTH
) -> tuple[ModelInput, ...]:
    """What the published model reads, by the names of its data."""
    of: dict[str, Any] = {"entity": "item_id", "entities": items}
    return (
        ModelInput("likes_level", "id", "item", "likes_level", 11),
        ModelInput("views_level", "id", "item", "views_level", 11),
        ModelInput("item_id", "id", "item", "item_id", items),
        ModelInput("item_seq", "sequence", "user", "item_id", items, places),
        ModelInput("item_tags", "attribute", "item", "item_tags", tags, 5, **of),
        ModelInput("item_emb_d128", "vector", "item", width=width, **of),
    )


PUBLISHED = shop_inputs(items=91_718, tags=11_740, places=64, width=128)
SMALL: dict[str, Any] = {
    "embedding_dim": 4,
    "embedding_stddev": 0.3,
    "layers": 2,
    "rows": 3,
}


def item_data() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Tags, with one item that has none and one that has all its tags, and vectors."""
    random = np.random.default_rng(5)
    tags = random.integers(1, TAGS, (ITEMS, 5))
    tags *= np.arange(5) >= random.integers(0, 5, (ITEMS, 1))
    tags[0] = tags[3] = 0
    vectors = random.normal(size=(ITEMS, WIDTH)).astype(np.float32)
    vectors[0] = 0.0
    return tags.astype(np.int32), vectors


def build(**params: Any) -> keras.Model:
    """A small QIN, its items filled and no weight where it began."""
    keras.utils.set_random_seed(1)
    model = registry.build("qin", shop_inputs(), {**SMALL, **params})
    tags, vectors = item_data()
    model.get_layer("item_tags").fill(tags)
    if "vectors" not in params.get("without", ()):
        model.get_layer("item_emb_d128").fill(vectors)
    random = np.random.default_rng(2)
    for weight in model.weights:
        leaf = weight.path.rsplit("/", 1)[-1]
        if leaf in ("bias", "beta", "moving_mean"):
            weight.assign(random.normal(0.0, 0.3, weight.shape))
        elif leaf in ("gamma", "moving_variance"):
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
    return model


def rows(count: int = 50, seed: int = 3) -> dict[str, np.ndarray[Any, Any]]:
    """Histories of every length, none included, padded on the left."""
    random = np.random.default_rng(seed)
    history = random.integers(1, ITEMS, (count, PLACES))
    history *= np.arange(PLACES) >= random.integers(0, PLACES + 1, (count, 1))
    history[0] = 0
    return {
        "likes_level": random.integers(0, 11, count),
        "views_level": random.integers(0, 11, count),
        "item_id": random.integers(0, ITEMS, count),
        "item_seq": history,
    }


def score(
    model: keras.Model, features: Mapping[str, Any]
) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.asarray(model(features, training=False)["probability"])


def weights_of(layer: keras.layers.Layer) -> dict[str, np.ndarray[Any, Any]]:
    return {
        "/".join(w.path.split("/")[1:]): np.asarray(w, np.float64)
        for w in layer.weights
    }


def by_definition(
    model: keras.Model, features: Mapping[str, np.ndarray[Any, Any]]
) -> np.ndarray[Any, Any]:
    """The probability, row by row and place by place, from the published equations."""
    embeddings = model.get_layer("embeddings")
    table = np.asarray(embeddings.embeddings, np.float64)
    first = {name: embeddings.row_ranges[name][0] for name in TABLES}
    projection = np.asarray(embeddings.kernels["item_emb_d128"], np.float64)
    tags, vectors = item_data()

    def item(i: int) -> np.ndarray[Any, Any]:
        own = [table[first["item_tags"] + t] for t in tags[i] if t]
        mean = np.sum(own, axis=0) / len(own) if own else np.zeros(4)
        return np.concatenate(
            [table[first["item_id"] + i], mean, vectors[i] @ projection]
        )

    attention = model.get_layer("attention")
    query, key, value, output = (np.asarray(w, np.float64) for w in attention.weights)
    found = []
    for n, target_id in enumerate(features["item_id"]):
        target = item(target_id)
        taken = np.zeros(attention.units)
        for i in features["item_seq"][n]:
            if i:
                a = (target @ query) @ (item(i) @ key) / np.sqrt(attention.units)
                taken += max(a, 0.0) * (item(i) @ value)
        context = [table[first[c] + features[c][n]] for c in TABLES[:2]]
        x = np.concatenate([*context, target, taken @ output + target])
        for q in range(SMALL["layers"]):
            layer = model.get_layer(f"quadratic_{q}")
            kernel, bias = (np.asarray(w, np.float64) for w in layer.project.weights)
            gamma, beta, mean, variance = (
                np.asarray(w, np.float64) for w in layer.norm.weights
            )
            maps = (x @ kernel + bias).reshape(layer.rows, len(x))
            z = sum(x * row for row in maps)
            z = (z - mean) / np.sqrt(variance + 1e-5) * gamma + beta
            x = np.where(z > 0, z, 0.25 * z) + x
        kernel, bias = (
            np.asarray(w, np.float64) for w in model.get_layer("head").weights
        )
        found.append(1 / (1 + np.exp(-(x @ kernel + bias)[0])))
    return np.array(found)


@pytest.mark.parametrize(("rows_", "count"), [(4, 31_244_293), (3, 27_045_893)])
def test_the_published_shapes_have_the_published_parameters(
    rows_: int, count: int
) -> None:
    """Of `item_id | item_tags | item_emb_d128` and `likes_level | views_level`.

    These are the counts that the authors' training logs print.
    """
    model = registry.build("qin", PUBLISHED, {"rows": rows_})
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == count
    assert tuple(model.get_layer("quadratic_0").input.shape) == (None, 1024)
    assert model.get_layer("attention").units == 768


def test_defaults_are_the_published_ones() -> None:
    params = registry.parse_params("qin", {})
    assert params.model_dump(exclude={"compression", "min_frequency"}) == {
        "embedding_dim": 128,
        "embedding_stddev": 1e-4,
        "l2": 2e-4,
        "layers": 4,
        "rows": 4,
        "dropout": 0.1,
        "without": (),
    }


def test_the_published_baseline_reads_the_same_inputs() -> None:
    model = registry.build("din", PUBLISHED, {"embedding_dim": 64})
    assert set(model.input) == {"likes_level", "views_level", "item_id", "item_seq"}
    features = {
        name: np.ones((3, *tensor.shape[1:]), np.int64)
        for name, tensor in model.input.items()
    }
    assert np.isfinite(score(model, features)).all()


def test_the_probability_equals_its_definition_by_loops() -> None:
    model = build()
    features = rows()
    want = by_definition(model, features)
    assert want.std() > 0.01
    np.testing.assert_allclose(score(model, features), want, atol=1e-5)


def test_the_penalty_is_of_all_tables_and_of_the_projection() -> None:
    model = build(l2=0.02)
    embeddings = model.get_layer("embeddings")
    weights = [embeddings.embeddings, *embeddings.kernels.values()]
    want = 0.01 * sum(float(np.square(np.asarray(w)).sum()) for w in weights)
    np.testing.assert_allclose(float(sum(model.losses)), want, rtol=1e-5)


@pytest.mark.parametrize("updates", ["dense", "sparse"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "adagrad"])
def test_row_0_of_every_table_stays_zero_in_training(
    optimizer: Any, updates: Any
) -> None:
    model = build(l2=0.1)
    embeddings = model.get_layer("embeddings")
    first = [embeddings.row_ranges[name][0] for name in TABLES]
    before = np.array(embeddings.embeddings)
    params = TrainingParams(
        epochs=3,
        batch_size=16,
        learning_rate=0.05,
        optimizer=optimizer,
        table_updates=updates,
    )
    examples = InMemoryExamples(rows(), np.arange(50) % 2)
    Trainer(model, params).train(examples, examples)
    after = np.asarray(embeddings.embeddings)
    assert not after[first].any()
    assert not before[first].any()
    moved = (after != before).any(axis=1)
    assert moved.sum() > 0.9 * len(after)


def test_an_item_without_tags_and_the_missing_item_give_zeros() -> None:
    model = build()
    item = keras.Model(model.input, model.get_layer("concatenate").input[1])
    tags, _ = item_data()
    features = rows(count=ITEMS) | {"item_id": np.arange(ITEMS)}
    found = np.asarray(item(features))
    embeddings = model.get_layer("embeddings")
    table = np.asarray(embeddings.embeddings)
    assert not found[0].any()
    assert not found[3, 4:8].any()
    assert found[3, :4].all()
    alone = np.flatnonzero((tags > 0).sum(axis=1) == 1)
    assert len(alone) > 1
    first = embeddings.row_ranges["item_tags"][0]
    np.testing.assert_allclose(found[alone, 4:8], table[first + tags[alone, 4]])


def test_padding_and_order_of_the_history_change_nothing() -> None:
    model = build()
    features = rows()
    want = score(model, features)
    random = np.random.default_rng(4)
    shuffled = features | {"item_seq": random.permuted(features["item_seq"], axis=1)}
    np.testing.assert_allclose(score(model, shuffled), want, atol=1e-6)
    right = features | {"item_seq": features["item_seq"][:, ::-1]}
    np.testing.assert_allclose(score(model, right), want, atol=1e-6)
    emptied = features | {"item_seq": np.zeros_like(features["item_seq"])}
    assert np.abs(score(model, emptied) - want).max() > 1e-3


def test_a_user_without_history_takes_the_target_twice() -> None:
    model = build()
    both = keras.Model(model.input, model.get_layer("concatenate").input[1:])
    features = rows() | {"item_seq": np.zeros((50, PLACES), np.int64)}
    target, attended = both(features)
    assert np.asarray(target).any()
    np.testing.assert_array_equal(attended, target)
    assert np.isfinite(score(model, features)).all()


def test_the_ablations_leave_out_histories_and_vectors() -> None:
    model, features = build(), rows()
    without = build(without=("history",))
    without.set_weights(model.get_weights())
    emptied = features | {"item_seq": np.zeros((50, PLACES), np.int64)}
    np.testing.assert_allclose(
        score(without, features), score(model, emptied), atol=1e-6
    )
    smaller = build(without=("vectors",))
    assert smaller.get_layer("attention").units == 2 * 2 * 4
    assert not any("item_emb" in w.path for w in smaller.weights)
    assert np.isfinite(score(smaller, features)).all()


def test_a_model_without_a_history_is_refused() -> None:
    with pytest.raises(ConfigError, match="`qin` needs a history"):
        registry.build("qin", [i for i in shop_inputs() if i.kind != "sequence"])


@pytest.mark.parametrize("without", [(), ("history",), ("vectors",)])
def test_the_folded_model_scores_as_the_trained_one(without: tuple[str, ...]) -> None:
    model = build(dropout=0.1, without=without)
    before = model.get_weights()
    features = rows(count=1000)
    want = score(model, features)
    folded = registry.fold("qin", model)
    assert want.std() > 0.01
    np.testing.assert_allclose(score(folded, features), want, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(score(model, features), want)
    for was, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(now, was)


def test_a_folded_layer_keeps_one_matrix_and_no_table_twice() -> None:
    model = registry.build("qin", PUBLISHED)
    folded = registry.fold("qin", model)
    assert folded.get_layer("quadratic_0").count_params() == 1024 * 1024 + 2 * 1024 + 1
    assert folded.get_layer("attention").count_params() == 2 * 384 * 384
    for name in ("embeddings", "item_tags", "item_emb_d128"):
        assert folded.get_layer(name) is model.get_layer(name)


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("without", [(), ("history",)])
def test_one_history_ranks_many_items(folded: bool, without: tuple[str, ...]) -> None:
    model = build(without=without)
    features = rows()
    features["item_seq"] = np.repeat(features["item_seq"][7:8], 50, 0)
    want = score(model, features)
    assert features["item_seq"].any()
    ranked = ranking_model(registry.fold("qin", model) if folded else model)
    once = features | {"item_seq": features["item_seq"][:1]}
    np.testing.assert_allclose(score(ranked, once), want, rtol=0, atol=1e-5)


def test_a_folded_model_is_saved_and_loaded(tmp_path: pathlib.Path) -> None:
    folded = registry.fold("qin", build())
    folded.save(tmp_path / "folded.keras")
    again = keras.models.load_model(tmp_path / "folded.keras")
    np.testing.assert_allclose(score(again, rows()), score(folded, rows()), atol=1e-6)


def test_the_saved_folded_model_scores_as_the_training_graph_does(
    tmp_path: pathlib.Path,
) -> None:
    model = build(dropout=0.1)
    examples = InMemoryExamples(rows(), np.arange(50) % 2)
    Trainer(model, TrainingParams(epochs=2, batch_size=16)).train(examples, examples)
    registry.fold("qin", model).export(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    features = rows(count=1000, seed=9)
    served = loaded.serve({k: tf.constant(v) for k, v in features.items()})
    np.testing.assert_allclose(
        served["probability"], score(model, features), rtol=0, atol=1e-5
    )
