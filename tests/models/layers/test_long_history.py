"""Layers of models with long histories, against the sums they are defined by."""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from layer_battery import check_layer

from clickwright.models.layers.bucket_attention import BucketAttention
from clickwright.models.layers.hamming_distance import HammingDistance
from clickwright.models.layers.latest_items import LatestItems
from clickwright.models.layers.multi_head_target_attention import (
    MultiHeadTargetAttention,
)
from clickwright.models.layers.same_value import SameValue
from clickwright.models.layers.soft_search import SoftSearch
from clickwright.models.layers.top_items import TopItems
from clickwright.models.layers.top_target_attention import TopTargetAttention

B, L, D = 5, 7, 4
random = np.random.default_rng(3)
TARGET = random.normal(size=(B, D)).astype(np.float32)
HISTORY = random.normal(size=(B, L, D)).astype(np.float32)
EXTRA = random.normal(size=(B, L, 2, 3)).astype(np.float32)
LENGTHS = (7, 0, 1, 3, 5)
MASK = (np.arange(L) < np.array(LENGTHS)[:, None]).astype(np.float32)
INPUTS = {"target": TARGET, "history": HISTORY, "mask": MASK}
LAYERS: dict[str, Callable[..., Any]] = {
    "attention": lambda **kw: MultiHeadTargetAttention(6, heads=2, **kw),
    "wide": lambda **kw: MultiHeadTargetAttention(6, 3, output_dim=5, **kw),
    "search": lambda **kw: SoftSearch(3, **kw),
    "hamming": lambda **kw: HammingDistance(8, **kw),
    "buckets": lambda **kw: BucketAttention(2, 3, l2_norm=True, **kw),
    "twin": lambda **kw: TopTargetAttention(6, top=3, heads=2, **kw),
    "twin_of_all": lambda **kw: TopTargetAttention(6, top=9, heads=2, **kw),
}
WIDTHS = {"search": L, "hamming": L, "wide": 5}
every_layer = pytest.mark.parametrize("name", sorted(LAYERS))


def wave(shape: tuple[int, ...], start: int) -> np.ndarray[Any, Any]:
    """Weights by a formula: `0.3 sin(start + 0.7 n)` in the order of rows."""
    return 0.3 * np.sin(start + 0.7 * np.arange(np.prod(shape))).reshape(shape)


CARD = {
    "target": wave((3,), 1)[None],
    "history": wave((4, 3), 2)[None],
    "mask": np.array([[0.0, 1, 1, 1]]),
}


def worked(layer: keras.layers.Layer, *weights: Any) -> np.ndarray[Any, Any]:
    """What the layer gives for the worked example with these weights."""
    inputs = {k: np.asarray(v, np.float32) for k, v in CARD.items()}
    layer(inputs)
    layer.set_weights(list(weights))
    return np.asarray(layer(inputs))[0]


def softmax(z: Any) -> Any:
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@every_layer
def test_a_layer_passes_the_battery(name: str, tmp_path: pathlib.Path) -> None:
    check_layer(LAYERS[name], INPUTS, (B, WIDTHS.get(name, D)), tmp_path)


def test_cross_features_pass_the_battery(tmp_path: pathlib.Path) -> None:
    make = LAYERS["twin"]
    check_layer(make, {**INPUTS, "extra": EXTRA}, (B, D), tmp_path)


def test_equal_values_pass_the_battery(tmp_path: pathlib.Path) -> None:
    inputs = {
        "target": np.array([0, 2, 3]),
        "history": np.array([[0, 2, 3, 2]] * 3),
        "mask": np.array([[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 0, 1]], np.float32),
    }
    check_layer(SameValue, inputs, (3, 4), tmp_path)
    got = SameValue()(inputs)
    np.testing.assert_array_equal(got, [[0, 0, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]])
    one = {**inputs, "history": inputs["history"][:1], "mask": inputs["mask"][:1]}
    got = SameValue()(one)
    np.testing.assert_array_equal(got, [[0, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0]])


@every_layer
@pytest.mark.parametrize("extra", [False, True])
def test_one_history_serves_all_targets(name: str, extra: bool) -> None:
    layer = LAYERS[name]()
    assert layer.mixes_batches
    one = {"history": HISTORY[:1], "mask": MASK[:1]}
    if extra and not name.startswith("twin"):
        return
    if extra:
        one["extra"] = EXTRA[:1]
    many = {k: np.repeat(v, B, 0) for k, v in one.items()}
    want = layer({"target": TARGET, **many})
    got = layer({"target": TARGET, **one})
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    # The batch may be known to be 1 or not be known.
    symbolic = {
        name: keras.Input(values.shape[1:], name=name)
        for name, values in {"target": TARGET, **one}.items()
    }
    unknown = keras.Model(symbolic, layer(symbolic))
    got = unknown({"target": TARGET, **one})
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


@every_layer
def test_what_is_masked_changes_nothing(name: str) -> None:
    layer = LAYERS[name]()
    noise = np.where(MASK[..., None] > 0, HISTORY, 1e3).astype(np.float32)
    want = np.asarray(layer(INPUTS))
    got = np.asarray(layer({**INPUTS, "history": noise}))
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    assert np.isfinite(want).all()


@pytest.mark.parametrize("name", ["attention", "buckets", "twin", "twin_of_all"])
def test_an_empty_history_gives_zeros_and_order_means_nothing(name: str) -> None:
    layer = LAYERS[name]()
    got = np.asarray(layer(INPUTS))
    np.testing.assert_array_equal(got[1], 0.0)
    assert np.abs(got[[0, 2, 3, 4]]).max() > 1e-3
    order = random.permutation(L)
    moved = {**INPUTS, "history": HISTORY[:, order], "mask": MASK[:, order]}
    np.testing.assert_allclose(layer(moved), got, rtol=1e-4, atol=1e-5)


def test_the_attention_of_one_item_is_its_projection() -> None:
    layer = LAYERS["attention"]()
    got = np.asarray(layer(INPUTS))[2]
    _, _, value, output = layer.get_weights()
    np.testing.assert_allclose(got, HISTORY[2, 0] @ value @ output, rtol=1e-4)


@pytest.mark.parametrize("heads", [1, 2, 3])
def test_the_attention_is_the_textbooks(heads: int) -> None:
    layer = MultiHeadTargetAttention(6, heads)
    got = np.asarray(layer(INPUTS))
    query, key, value, output = layer.get_weights()
    for row in (0, 3, 4):
        items = HISTORY[row][: LENGTHS[row]]
        parts = []
        for head in range(heads):
            at = slice(head * 6 // heads, (head + 1) * 6 // heads)
            z = (items @ key[:, at]) @ (TARGET[row] @ query[:, at])
            parts.append(softmax(z / (6 / heads) ** 0.5) @ (items @ value[:, at]))
        want = np.concatenate(parts) @ output
        np.testing.assert_allclose(got[row], want, rtol=1e-4, atol=1e-5)


def test_soft_search_has_the_worked_scores() -> None:
    scores = worked(SoftSearch(2), wave((3, 2), 3), wave((3, 2), 4))
    np.testing.assert_allclose(scores, [0, -0.012932, -0.00961, 0.022636], atol=1e-6)
    pooled = scores @ CARD["history"][0]
    np.testing.assert_allclose(pooled, [0.009541, 0.004996, -0.001899], atol=1e-6)


def test_hamming_distances_are_the_worked_ones() -> None:
    distances = worked(HammingDistance(4), wave((3, 4), 5))
    np.testing.assert_array_equal(distances, [5, 4, 1, 2])


def test_buckets_and_their_sums_are_the_worked_ones() -> None:
    layer = BucketAttention(2, 2, l2_norm=True)
    got = worked(layer, wave((3, 2, 2), 6))
    np.testing.assert_allclose(got, [0.438628, 0.200368, -0.132128], atol=1e-6)
    buckets = np.asarray(layer.buckets(np.float32(CARD["history"])))
    np.testing.assert_array_equal(buckets[0], [[3, 3], [1, 0], [0, 2], [3, 3]])
    target = np.asarray(layer.buckets(np.float32(CARD["target"])))
    np.testing.assert_array_equal(target[0], [2, 3])


def test_buckets_without_the_norm_are_means_of_sums() -> None:
    layer = BucketAttention(3, 2)
    got = np.asarray(layer(INPUTS))
    (rotation,) = layer.get_weights()
    weights = np.array([1, 2])
    of_target = ((np.einsum("bd,dht->bht", TARGET, rotation) > 0) * weights).sum(-1)
    of_items = ((np.einsum("bld,dht->blht", HISTORY, rotation) > 0) * weights).sum(-1)
    same = (of_items == of_target[:, None]) * MASK[..., None]  # [B, L, h]
    want = np.einsum("blh,bld->bhd", same, HISTORY).mean(1)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["hamming", "buckets"])
def test_what_hashes_is_constant_and_comes_from_the_seed(
    name: str, tmp_path: pathlib.Path
) -> None:
    keras.utils.set_random_seed(1)
    first = LAYERS[name]()
    first(INPUTS)
    keras.utils.set_random_seed(2)
    again, other = LAYERS[name](), LAYERS[name](seed=5)
    again(INPUTS)
    other(INPUTS)
    assert first.trainable_variables == []
    np.testing.assert_array_equal(*(x.get_weights()[0] for x in (first, again)))
    assert not np.array_equal(first.get_weights()[0], other.get_weights()[0])
    assert 0.3 < first.get_weights()[0].std() < 2.0


@pytest.mark.parametrize("padding", ["left", "right"])
@pytest.mark.parametrize("length", [1, 3, 7, 20])
def test_the_latest_items_are_the_last_real_ones(padding: str, length: int) -> None:
    mask = MASK if padding == "right" else MASK[:, ::-1]
    items, kept = LatestItems(length)({"history": HISTORY, "mask": mask})
    items, kept = np.asarray(items), np.asarray(kept)
    assert items.shape == (B, min(length, L), D)
    for row in range(B):
        want = HISTORY[row][mask[row] > 0][-length:]
        np.testing.assert_array_equal(items[row][kept[row] > 0], want)


def test_a_padded_score_beats_no_real_one() -> None:
    scores = -1.0 - random.random((B, L)).astype(np.float32)
    scores = np.where(MASK > 0, scores, 0.0)
    inputs = {"history": HISTORY, "mask": MASK, "scores": scores}
    items, kept = (np.asarray(x) for x in TopItems(3)(inputs))
    np.testing.assert_array_equal(kept.sum(1), np.minimum(LENGTHS, 3))
    for row in range(B):
        real = np.flatnonzero(MASK[row])
        best = real[np.argsort(-scores[row, real])][:3]
        want = {tuple(x) for x in HISTORY[row, best]}
        assert {tuple(x) for x in items[row][kept[row] > 0]} == want


def test_without_scores_the_top_items_are_the_latest() -> None:
    mask = (random.random((B, L)) < 0.6).astype(np.float32)
    items, kept = (
        np.asarray(x) for x in TopItems(2)({"history": HISTORY, "mask": mask})
    )
    for row in range(B):
        want = {tuple(x) for x in HISTORY[row][mask[row] > 0][-2:]}
        assert {tuple(x) for x in items[row][kept[row] > 0]} == want


def test_scores_learn_nothing_from_what_they_choose() -> None:
    import tensorflow as tf

    scores = tf.Variable(random.normal(size=(B, L)).astype(np.float32))
    history = tf.Variable(HISTORY)
    with tf.GradientTape() as tape:
        items, _ = TopItems(2)({"history": history, "mask": MASK, "scores": scores})
        total = tf.reduce_sum(items**2)
    first, second = tape.gradient(total, [scores, history])
    assert first is None
    assert np.count_nonzero(np.asarray(tf.convert_to_tensor(second)).any(-1)) == 2 * B


@pytest.mark.parametrize("make", [LatestItems, TopItems])
def test_layers_that_choose_items_keep_their_config(
    make: type[keras.layers.Layer], tmp_path: pathlib.Path
) -> None:
    layer = make(3, name="chosen")
    again = make.from_config(json.loads(json.dumps(layer.get_config())))
    assert again.get_config() == layer.get_config()
    symbolic = {
        "history": keras.Input((L, D), name="history"),
        "mask": keras.Input((L,), name="mask"),
    }
    model = keras.Model(symbolic, layer(symbolic))
    assert [tuple(x.shape) for x in model.output] == [(None, 3, D), (None, 3)]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    inputs = {"history": HISTORY, "mask": MASK}
    for got, want in zip(loaded(inputs), model(inputs), strict=True):
        np.testing.assert_array_equal(got, want)
    mixed = make(3, dtype="mixed_bfloat16")(inputs)
    assert keras.backend.standardize_dtype(mixed[0].dtype) == "bfloat16"
    with pytest.raises(ValueError, match="must be positive. Received: 0"):
        make(0)


@pytest.mark.parametrize("top", [2, 20])
def test_twin_attends_to_its_own_best_scores(top: int) -> None:
    layer = TopTargetAttention(6, top, heads=2)
    inputs = {**INPUTS, "extra": EXTRA}
    got = np.asarray(layer(inputs))
    query, key, value, output, cross, beta = layer.get_weights()
    assert [w.shape for w in (value, cross, beta)] == [(D + 6, 6), (2, 2, 3), (2, 1)]
    for row, n in enumerate(LENGTHS):
        items, crosses = HISTORY[row, :n], EXTRA[row, :n]
        whole = np.concatenate([items, crosses.reshape(n, 6)], 1)
        parts = []
        for head in range(2):
            at = slice(3 * head, 3 * head + 3)
            z = (items @ key[:, at]) @ (TARGET[row] @ query[:, at]) / 3**0.5
            z = z + np.einsum("njd,jd->nj", crosses, cross[head]) @ beta[:, 0]
            best = np.argsort(-z)[:top]
            shares = softmax(z[best]) if n else np.zeros(0)
            parts.append(shares @ (whole[best] @ value[:, at]))
        want = np.concatenate(parts) @ output
        np.testing.assert_allclose(got[row], want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: MultiHeadTargetAttention(5, 2),
        lambda: TopTargetAttention(5, 3, heads=2),
        lambda: TopTargetAttention(4, 0),
        lambda: SoftSearch(0),
        lambda: HammingDistance(0),
        lambda: BucketAttention(0, 4),
        lambda: BucketAttention(2, 17),
    ],
)
def test_arguments_out_of_range_are_refused(make: Any) -> None:
    with pytest.raises(ValueError, match=r"must be .* Received: "):
        make()
