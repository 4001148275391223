"""Texts and pictures become vectors, by encoders that are there or are asked for."""

import pathlib
import sys
import types
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from item_tables import build, item_spec, write_items

from clickwright.components.item_table.checks import check_item_features
from clickwright.schemas.errors import ConfigError, DataError

_TOPICS = (
    "shoe leather sole lace boot heel",
    "lamp light bulb shade glow switch",
    "novel story chapter page author plot",
)
_random = np.random.default_rng(5)
TEXTS = [
    " ".join(_random.choice(_TOPICS[n % 3].split(), 4, replace=False))
    for n in range(30)
]
"""Texts of three topics in turn."""
VALUES = [str(n) for n in range(30)]


def text_spec(width: int = 3, **source: Any) -> Any:
    return item_spec(
        {
            "words": {
                "kind": "embedding",
                "width": width,
                "column": "title",
                "source": {"kind": "text", **source},
            }
        }
    )


def test_lsa_brings_texts_of_one_topic_together(tmp_path: pathlib.Path) -> None:
    path = write_items(tmp_path / "items.parquet", item=list(range(30)), title=TEXTS)
    table = build(text_spec(), VALUES, path, tmp_path / "table")

    found = table.array(tmp_path / "table", "words")[1:31]
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    cosine = unit @ unit.T
    same = np.arange(30)[:, None] % 3 == np.arange(30) % 3
    assert cosine[same].min() > 0.9
    assert np.abs(cosine[~same]).max() < 0.1


def test_lsa_is_the_truncated_decomposition_of_tf_idf(tmp_path: pathlib.Path) -> None:
    path = write_items(tmp_path / "items.parquet", item=list(range(30)), title=TEXTS)
    table = build(text_spec(width=4), VALUES, path, tmp_path / "table")
    found = table.array(tmp_path / "table", "words")[1:31]

    words = sorted({word for text in TEXTS for word in text.split()})
    counts = np.array([[text.split().count(word) for word in words] for text in TEXTS])
    idf = np.log(31 / (1 + (counts > 0).sum(axis=0))) + 1
    rows = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0) * idf
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    u, s, _ = np.linalg.svd(rows, full_matrices=False)
    gram = (u[:, :4] * s[:4] ** 2) @ u[:, :4].T
    np.testing.assert_allclose(found @ found.T, gram, atol=1e-3)


def test_the_order_of_the_rows_does_not_change_the_vectors(
    tmp_path: pathlib.Path,
) -> None:
    order = np.random.default_rng(0).permutation(30)
    a = write_items(tmp_path / "a.parquet", item=list(range(30)), title=TEXTS)
    b = write_items(tmp_path / "b.parquet", item=order, title=[TEXTS[n] for n in order])
    first = build(text_spec(), VALUES, a, tmp_path / "first")
    second = build(text_spec(), VALUES, b, tmp_path / "second")
    np.testing.assert_array_equal(
        first.array(tmp_path / "first", "words"),
        second.array(tmp_path / "second", "words"),
    )


def test_texts_that_say_nothing_are_missing(tmp_path: pathlib.Path) -> None:
    texts = [None, "", "! ? a", *TEXTS[3:]]
    path = write_items(tmp_path / "items.parquet", item=list(range(30)), title=texts)
    table = build(text_spec(), VALUES, path, tmp_path / "table")
    assert table.vectors["words"].missing == 3
    assert not table.array(tmp_path / "table", "words")[1:4].any()


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["one two"] * 30, "Received: 30 texts, 2 words"),
        (["a"] * 30, "Received: 30 texts, 0 words"),
        ([None] * 29 + [""], "No known entity has a content"),
        (list(range(30)), "must hold text.*Received: int64"),
    ],
)
def test_texts_that_teach_too_little_are_refused(
    texts: Any, told: str, tmp_path: pathlib.Path
) -> None:
    path = write_items(tmp_path / "items.parquet", item=list(range(30)), title=texts)
    with pytest.raises(DataError, match=told):
        build(text_spec(), VALUES, path, tmp_path / "table")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (
            {"encoder": "sentence_transformers", "model": "m"},
            "needs the package `sentence-transformers`, which is not installed",
        ),
        ({"encoder": "keras_hub", "model": "m"}, "needs the package `keras-hub`"),
        ({"encoder": "keras_hub"}, "needs `source.model`"),
        ({"encoder": "lsa", "model": "m"}, "`lsa` is fitted on the texts"),
    ],
)
def test_encoders_that_cannot_be_are_refused_before_any_work(
    source: dict[str, Any], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=told) as error:
        check_item_features(text_spec(**source))
    assert "features.words" in error.value.where


def test_hashed_entities_are_refused() -> None:
    spec = item_spec(
        {"look": {"kind": "embedding", "width": 2}},
        vocabulary={"kind": "hash", "buckets": 10},
    )
    with pytest.raises(ConfigError, match="vocabulary is hashed.*share an id"):
        check_item_features(spec)


def test_sentence_transformers_are_asked_in_batches(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module: Any = types.ModuleType("sentence_transformers")

    class SentenceTransformer:
        def __init__(self, name: str) -> None:
            if name != "model":
                raise OSError("no such folder")

        def encode(self, texts: list[str], **_: Any) -> Any:
            return np.array([[len(t), t.count(" ")] for t in texts], np.float64)

    module.SentenceTransformer = SentenceTransformer
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    path = write_items(tmp_path / "items.parquet", item=[1, 0], title=["ab c", "d"])

    spec = text_spec(width=2, encoder="sentence_transformers", model="model")
    table = build(spec, ["0", "1"], path, tmp_path / "table")
    found = table.array(tmp_path / "table", "words")
    assert found.tolist() == [[0, 0], [1, 0], [4, 1], [0, 0]]

    spec = text_spec(width=2, encoder="sentence_transformers", model="other")
    with pytest.raises(ConfigError, match="cannot be loaded: no such folder"):
        build(spec, ["0", "1"], path, tmp_path / "again")


def test_keras_hub_vectors_are_means_over_the_tokens(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tokens(texts: list[str]) -> dict[str, Any]:
        rows = [[ord(c) for c in text[:3].ljust(3, "\0")] for text in texts]
        ids = np.array(rows)
        return {"token_ids": ids, "padding_mask": ids > 0}

    def states(tokens: dict[str, Any]) -> dict[str, Any]:
        ids = tokens["token_ids"]
        return {"sequence_output": np.stack([ids, ids + 1.0], axis=-1)}

    module: Any = types.ModuleType("keras_hub")
    module.models = types.SimpleNamespace(
        Backbone=types.SimpleNamespace(from_preset=lambda name: states),
        TextClassifierPreprocessor=types.SimpleNamespace(
            from_preset=lambda name: tokens
        ),
    )
    monkeypatch.setitem(sys.modules, "keras_hub", module)
    path = write_items(tmp_path / "items.parquet", item=[0, 1], title=["ac", "b"])

    spec = text_spec(width=2, encoder="keras_hub", model="preset")
    table = build(spec, ["0", "1"], path, tmp_path / "table")
    assert table.array(tmp_path / "table", "words")[1:3].tolist() == [[98, 99]] * 2


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small network with random weights, saved."""
    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNetV3Small(
        include_top=False, weights=None, pooling="avg"
    )
    # Fresh weights let next to nothing through its many layers.
    for weight in model.weights:
        if weight.name == "kernel":
            weight.assign(4 * weight)
    path = tmp_path_factory.mktemp("network") / "net.weights.h5"
    model.save_weights(path)
    return model, path


def image_spec(weights: pathlib.Path | str, model: str = "MobileNetV3Small") -> Any:
    return item_spec(
        {
            "look": {
                "kind": "embedding",
                "width": 576,
                "column": "picture",
                "source": {"kind": "image", "model": model, "weights": str(weights)},
            }
        }
    )


def save_picture(path: pathlib.Path, seed: int) -> Any:
    picture = np.random.default_rng(seed).integers(0, 255, (40, 30, 3), np.uint8)
    path.write_bytes(tf.io.encode_png(picture).numpy())
    return tf.image.resize(picture, (224, 224)).numpy()


def test_pictures_become_what_the_network_says_of_them(
    network: Any, tmp_path: pathlib.Path
) -> None:
    model, weights = network
    pictures = [save_picture(tmp_path / f"{n}.png", n) for n in range(2)]
    path = write_items(
        tmp_path / "items.parquet",
        item=[0, 1, 2],
        picture=["1.png", None, str(tmp_path / "0.png")],
    )
    table = build(image_spec(weights), ["0", "1", "2"], path, tmp_path / "table")

    found = table.array(tmp_path / "table", "look")
    expected = model.predict(np.stack(pictures), verbose=0)
    np.testing.assert_allclose(found[[3, 1]], expected, rtol=1e-3, atol=0.05)
    assert np.abs(expected[0] - expected[1]).max() > 1
    assert table.vectors["look"].missing == 1


@pytest.mark.parametrize(
    ("model", "weights", "told"),
    [
        ("MobileNetV3Smal", None, "Did you mean `MobileNetV3Small`"),
        ("MobileNetV3Small", "no.weights.h5", "no file of weights"),
        ("MobileNetV2", None, "does not hold the weights of MobileNetV2"),
    ],
)
def test_networks_that_cannot_be_loaded_are_refused(
    model: str,
    weights: str | None,
    told: str,
    network: Any,
    tmp_path: pathlib.Path,
) -> None:
    path = write_items(tmp_path / "items.parquet", item=[0], picture=["0.png"])
    spec = image_spec(weights or network[1], model)
    with pytest.raises(ConfigError, match=told):
        build(spec, ["0"], path, tmp_path / "table")


@pytest.mark.parametrize("content", [None, b"not a picture"])
def test_pictures_that_cannot_be_read_are_refused(
    content: bytes | None, network: Any, tmp_path: pathlib.Path
) -> None:
    if content is not None:
        (tmp_path / "0.png").write_bytes(content)
    path = write_items(tmp_path / "items.parquet", item=[0], picture=["0.png"])
    with pytest.raises(DataError, match="picture cannot be read") as error:
        build(image_spec(network[1]), ["0"], path, tmp_path / "table")
    assert error.value.where == str(tmp_path / "0.png")
