"""Two towers: worked scores, the loss against a loop, what is no parameter."""

import math
import pathlib
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from clickwright.models import registry
from clickwright.models.item_tables import frozen_variables
from clickwright.models.retrieval.two_tower import TwoTower
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput

ITEMS, USERS, D = 9, 6, 4
USER = ModelInput("user", "id", "user", "user", USERS)
ITEM = ModelInput("item", "id", "item", "item", ITEMS)
IMAGE = ModelInput(
    "image", "vector", "item", entity="item", entities=ITEMS, width=3, storage="float16"
)
SOUND = ModelInput(
    "sound", "vector", "item", entity="item", entities=ITEMS, width=2, dropout=0.5
)


def build(*vectors: ModelInput, **params: Any) -> TwoTower:
    keras.utils.set_random_seed(4)
    model = registry.build(
        "two_tower", (USER, ITEM, *vectors), {"embedding_dim": D, **params}
    )
    rng = np.random.default_rng(7)
    for layer in model.looked_up:
        matrix = rng.normal(size=(ITEMS, layer.width)).astype(layer.storage)
        matrix[0] = 0
        layer.fill(matrix)
    return model


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)


def items_of(model: TwoTower) -> np.ndarray:
    """The items' vectors, without towers."""
    x = np.array(model.item_table.embeddings)
    for layer, projection in zip(model.looked_up, model.projections, strict=True):
        vectors = np.array(layer.vectors, np.float32)
        x = x + unit(vectors) @ np.array(projection.kernel)
    return unit(x)


def batch(seed: int, rows: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "history": np.zeros((rows, 0), np.int32),
        "target": rng.integers(0, 5, (rows, 1)).astype(np.int32),
        "user": rng.integers(1, USERS, rows).astype(np.int32),
    }


def test_scores_are_cosines_of_users_and_items_with_content() -> None:
    model = build(IMAGE, SOUND)
    scores = np.array(model.scores({"user": np.array([1, 5, 0])}))
    users = unit(np.array(model.user_table.embeddings)[[1, 5, 0]])
    wanted = users @ items_of(model).T
    np.testing.assert_allclose(scores[:, 1:], wanted[:, 1:], atol=1e-5)
    assert np.isneginf(scores[:, 0]).all()
    assert not scores[2, 1:].any()  # who is not known has no taste


def test_parameters_number_as_the_docstring_says() -> None:
    def count(model: TwoTower) -> int:
        return sum(math.prod(v.shape) for v in model.trainable_variables)

    assert count(build()) == (USERS + ITEMS) * D
    assert count(build(IMAGE, SOUND)) == (USERS + ITEMS + 3 + 2) * D
    towers = 2 * (D * 7 + 7 + 7 * D + D)
    assert count(build(hidden_units=[7])) == (USERS + ITEMS) * D + towers
    assert {v.shape for v in frozen_variables(build(IMAGE, SOUND))} == {(9, 3), (9, 2)}


@pytest.mark.parametrize("normalized", [True, False])
def test_the_loss_is_a_loop_over_the_batch(normalized: bool) -> None:
    model = build(IMAGE, normalized=normalized, temperature=0.3)
    counts = np.array([0, 5, 0, 2, 9, 0, 1, 1, 0])
    model.adapt(counts)
    share = np.maximum(counts, 1) / np.maximum(counts, 1).sum()
    rows = batch(3, 12)
    items = np.array(model.item_matrix())
    users = np.array(model.query({"user": rows["user"]}))
    target = rows["target"][:, 0]
    assert 0 in target and len(set(target)) < 12  # no target, and the same one twice
    losses = []
    for b, own in enumerate(target):
        if own == 0:
            continue
        logits = {b: users[b] @ items[own] / 0.3 - math.log(share[own])}
        for c, other in enumerate(target):
            if other not in (0, own):
                logits[c] = users[b] @ items[other] / 0.3 - math.log(share[other])
        losses.append(-logits[b] + np.log(np.sum(np.exp(list(logits.values())))))
    assert float(model.loss(rows)) == pytest.approx(np.mean(losses), abs=1e-5)


def test_a_batch_without_targets_has_no_loss() -> None:
    rows = batch(0, 4)
    rows["target"][:] = 0
    assert float(build().loss(rows)) == 0.0


def test_padding_is_no_item_whatever_the_towers_add() -> None:
    matrix = np.array(build(IMAGE, hidden_units=[5]).item_matrix())
    assert not matrix[0].any()
    np.testing.assert_allclose(np.linalg.norm(matrix[1:], axis=1), 1.0, atol=1e-5)


def test_modality_dropout_takes_part_in_training_alone() -> None:
    model = build(SOUND)
    rows = batch(2, 64)
    rows["target"][rows["target"] == 0] = 1
    assert len({round(float(model.loss(rows)), 6) for _ in range(4)}) > 1
    first, second = (np.array(model.item_matrix()) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_it_comes_back_from_its_configuration_and_from_disk(
    tmp_path: pathlib.Path,
) -> None:
    model = build(IMAGE, SOUND, hidden_units=[5])
    again = TwoTower.from_config(model.get_config())
    shapes = [(v.shape, v.dtype) for v in model.variables]
    assert [(v.shape, v.dtype) for v in again.variables] == shapes
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    again.load_weights(path)
    request = {"user": np.array([2, 3])}
    np.testing.assert_array_equal(
        ops.convert_to_numpy(model(request)), ops.convert_to_numpy(again(request))
    )


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_vectors_are_float32_in_mixed_precision(precision: str) -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        model = build(IMAGE, hidden_units=[5])
        assert model.query({"user": np.array([1])}).dtype == "float32"
        assert model.item_matrix().dtype == "float32"
        assert np.isfinite(float(model.loss(batch(1, 8))))
    finally:
        keras.config.set_dtype_policy(before)


def test_inputs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="needs the id of a user"):
        registry.build("two_tower", (ITEM,))
    other = ModelInput("shop", "id", "item", "shop", 4)
    with pytest.raises(ConfigError, match="`item`, `shop`"):
        registry.build("two_tower", (USER, ITEM, other))
    with pytest.raises(ValueError, match="`users` must be 2 or more"):
        TwoTower(5, 1)
