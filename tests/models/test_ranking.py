import dataclasses
import functools
from typing import Any, Literal

import keras
import numpy as np
import pytest
from sequence_shop import LENGTH, fill
from sequence_shop import WITH_QUERIES as INPUTS
from sequence_shop import WITH_QUERIES_FEATURES as FEATURES
from zoo_shop import LABELS, NUMBER_FEATURES, NUMBERS, SMALL

from clickwright.models import registry
from clickwright.models.ctr import parts
from clickwright.models.layers import fused_embedding
from clickwright.models.layers.cross_once import CrossOnce
from clickwright.models.layers.frequency_filter import FrequencyFilter
from clickwright.models.layers.gather_rows import gather_rows
from clickwright.models.layers.user_once import UserOnce
from clickwright.models.ranking import items_of, ranking_model
from clickwright.models.scoring import scoring_model
from clickwright.schemas.model_input import ModelInput

ITEMS = {i.name for i in INPUTS if i.role == "item" and i.is_tensor}
CLICK_MODELS = sorted(n for n, e in registry.MODELS.items() if e.task == "click")
OF_HISTORIES = [
    name
    for name in CLICK_MODELS
    if "clickwright.models.ctr" not in registry.MODELS[name].builder
    # There the target is a place of the sequence, which all others see.
    and name != "bst"
]
USERS = (0, 1, 5)
"""Rows whose users rank all items: an empty history, a full one, and another."""


@functools.cache
def built(name: str, **changes: Any) -> keras.Model:
    keras.utils.set_random_seed(3)
    params = {**SMALL.get(name, {}), **changes}
    model = fill(registry.build(name, INPUTS, params))
    generator = np.random.default_rng(4)
    for weight in model.trainable_variables:
        if weight.path.endswith("embeddings"):
            weight.assign(generator.normal(0.0, 0.3, weight.shape))
    return model


def of_user(row: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a ranking is given for the user of that row, and the same as rows."""
    one, rows = dict(FEATURES), dict(FEATURES)
    for name in set(FEATURES) - ITEMS:
        one[name] = FEATURES[name][row : row + 1]
        rows[name] = np.repeat(one[name], len(FEATURES["item"]), axis=0)
    return one, rows


@pytest.mark.parametrize("name", CLICK_MODELS)
def test_many_items_score_as_they_do_in_rows(name: str) -> None:
    model = registry.fold(name, built(name))
    ranked = ranking_model(scoring_model(model, 0.5))
    plain = scoring_model(model, 0.5)
    for row in USERS:
        one, rows = of_user(row)
        want = np.asarray(plain(rows, training=False))
        assert want.std() > 1e-5  # the items tell apart
        got = np.asarray(ranked(one, training=False))
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", OF_HISTORIES)
def test_a_history_is_encoded_once(name: str) -> None:
    """Nothing that has the history's length has the items' batch, but for scores."""
    model = registry.fold(name, built(name))
    ranked = ranking_model(scoring_model(model))
    width = 4
    wide = []
    for op in ranked.operations:
        for node in op._inbound_nodes[-1:]:
            for tensor in keras.tree.flatten(node.outputs):
                shape = tuple(tensor.shape)
                if shape[:2] == (None, LENGTH) and np.prod(shape[2:]) > width:
                    wide.append((op.name, shape))
    assert wide == []


def test_a_pooled_history_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ranked = ranking_model(scoring_model(built("deepfm")))
    one, _ = of_user(1)
    wanted = np.asarray(ranked(one, training=False))
    seen: list[tuple[int, ...]] = []

    def gather(table: Any, places: Any) -> Any:
        seen.append(tuple(places.shape))
        return gather_rows(table, places)

    monkeypatch.setattr(fused_embedding, "gather_rows", gather)
    np.testing.assert_array_equal(ranked(one, training=False), wanted)
    lookups = [shape for shape in seen if len(shape) == 2]
    assert {rows for rows, _ in lookups} == {1, len(FEATURES["item"])}
    users = [i for i in INPUTS if i.role != "item" and i.kind != "value"]
    assert (1, sum(i.length or 1 for i in users)) in lookups


@pytest.mark.parametrize("name", ["dcnv2", "deepfm", "dnn", "wide_deep", "xdeepfm"])
def test_the_users_part_of_the_first_dense_layer_is_multiplied_once(name: str) -> None:
    ranked = ranking_model(scoring_model(built(name)))
    once = [op for op in ranked.operations if isinstance(op, UserOnce)]
    assert any(op.layer.name == "tower" for op in once)
    for op in once:
        user, item, *_ = op._inbound_nodes[-1].input_tensors
        assert user.shape == (1, len(op.user_places)) and user.shape[1] > 0
        assert item.shape == (None, len(op.item_places)) and item.shape[1] > 0
    assert "tower" not in [op.name for op in ranked.operations]


@pytest.mark.parametrize("structure", ["parallel", "stacked", "both"])
def test_full_cross_layers_multiply_the_users_part_once(structure: str) -> None:
    model = scoring_model(built("dcnv2", structure=structure, cross_layers=3))
    ranked = ranking_model(model)
    crosses = [op for op in ranked.operations if isinstance(op, CrossOnce)]
    kernels = [model.get_layer(f"cross_{n}").dense for n in range(3)]
    assert [op.crosses for op in crosses] == [kernels]
    names = {op.name for op in ranked.operations}
    assert names.isdisjoint(f"cross_{n}" for n in range(3))
    one, rows = of_user(1)
    want = np.asarray(model(rows, training=False))
    assert want.std() > 1e-5
    got = np.asarray(ranked(one, training=False))
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)


def test_few_values_of_users_are_crossed_in_rows() -> None:
    """Where most places are the items', rows are cheaper than what crosses become."""
    items = set(FEATURES) - {"user"}
    model = scoring_model(built("dcnv2", cross_layers=4))
    ranked = ranking_model(model, items)
    assert not [op for op in ranked.operations if isinstance(op, CrossOnce)]
    once = [op.layer for op in ranked.operations if isinstance(op, UserOnce)]
    assert model.get_layer("cross_0").dense in once


@pytest.mark.parametrize("numbers_of", ["item", "user"])
@pytest.mark.parametrize(
    "table",
    [
        {},
        {"min_frequency": 2},
        {"compression": {"kind": "multi_hash", "collisions": 2, "min_rows": 4}},
    ],
)
def test_numbers_and_tables_of_every_kind_are_ranked(
    numbers_of: Literal["item", "user"], table: dict[str, Any]
) -> None:
    inputs = [
        dataclasses.replace(i, role=numbers_of) if i.kind == "value" else i
        for i in NUMBERS
    ]
    keras.utils.set_random_seed(3)
    model = registry.build("deepfm", inputs, {**SMALL["deepfm"], **table})
    for layer in model._flatten_layers():
        if isinstance(layer, FrequencyFilter):
            layer.counts.assign(np.arange(layer.counts.shape[0]) % 4)
    once = dict(NUMBER_FEATURES)
    rows = dict(NUMBER_FEATURES)
    for i in inputs:
        if i.role != "item":
            once[i.name] = NUMBER_FEATURES[i.name][2:3]
            rows[i.name] = np.repeat(once[i.name], len(LABELS), axis=0)
    want = np.asarray(scoring_model(model)(rows, training=False))
    got = np.asarray(ranking_model(scoring_model(model))(once, training=False))
    assert want.std() > 1e-5
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)


def test_a_layer_of_the_user_alone_sees_one_row() -> None:
    seen: list[tuple[str, int]] = []

    class Spy(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            seen.append((self.name, int(x.shape[0])))
            return x

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    user, item = keras.Input((3,), name="user"), keras.Input((3,), name="item")
    merged = keras.layers.Multiply()(
        [Spy(name="of_user")(user), Spy(name="of_item")(item)]
    )
    model = keras.Model(
        {"user": user, "item": item}, Spy(name="of_both")(merged), name="spied"
    )
    seen.clear()
    ranked = ranking_model(model, {"item"})
    seen.clear()
    generator = np.random.default_rng(0)
    one = generator.normal(size=(1, 3)).astype(np.float32)
    items = generator.normal(size=(5, 3)).astype(np.float32)
    np.testing.assert_allclose(
        ranked({"user": one, "item": items}), one * items, rtol=1e-6
    )
    assert sorted(seen) == [("of_both", 5), ("of_item", 5), ("of_user", 1)]


def test_a_layer_that_mixes_batches_is_given_both_as_they_are() -> None:
    shapes: list[tuple[int | None, ...]] = []

    class Mixing(keras.layers.Layer):
        mixes_batches = True

        def call(self, user: Any, item: Any) -> Any:
            shapes[:] = [tuple(user.shape), tuple(item.shape)]
            return user * item

        def compute_output_shape(self, user_shape: Any, item_shape: Any) -> Any:
            return item_shape

    user, item = keras.Input((3,), name="user"), keras.Input((3,), name="item")
    model = keras.Model({"user": user, "item": item}, Mixing()(user, item))
    ranked = ranking_model(model, {"item"})
    got = ranked({"user": np.full((1, 3), 2.0), "item": np.ones((4, 3))})
    assert shapes == [(1, 3), (4, 3)]
    np.testing.assert_array_equal(got, np.full((4, 3), 2.0))


def test_what_no_item_reaches_is_repeated_for_each() -> None:
    user, item = keras.Input((1,), name="user"), keras.Input((1,), name="item")
    model = keras.Model({"user": user, "item": item}, {"u": user * 2.0, "i": item})
    ranked = ranking_model(model, {"item"})
    got = ranked({"user": np.ones((1, 1)), "item": np.zeros((3, 1))})
    np.testing.assert_array_equal(got["u"], np.full((3, 1), 2.0))


def test_the_roles_of_the_inputs_say_what_an_item_is() -> None:
    assert items_of(built("dnn")) & set(FEATURES) == ITEMS


def test_a_model_without_items_cannot_rank() -> None:
    inputs = [dataclasses.replace(i, role="context") for i in INPUTS if i.kind == "id"]
    model = registry.build("dnn", inputs, SMALL["dnn"])
    with pytest.raises(ValueError, match="must name inputs of the model"):
        ranking_model(model)
    with pytest.raises(ValueError, match="Received: {'itm'}"):
        ranking_model(model, {"itm"})


def test_the_model_itself_stays_as_it_is() -> None:
    inputs = (ModelInput("user", "id", "user", "user", 3),) + INPUTS[1:2]
    model = registry.build("dnn", inputs, SMALL["dnn"])
    rows = {"user": np.array([1, 2]), "item": np.array([3, 4])}
    before = np.asarray(model(rows, training=False)["probability"])
    weights = len(model.variables)
    ranking_model(model)
    np.testing.assert_array_equal(model(rows, training=False)["probability"], before)
    assert len(model.variables) == weights
    again = keras.models.clone_model(model)
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again(rows, training=False)["probability"], before)
    assert set(parts.tensors(model.input)) == {"user", "item"}
