import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pytest
from sequence_shop import FEATURES, INPUTS, LENGTH, TABLES, fill

from clickwright.models.ctr import parts as ctr_parts
from clickwright.models.layers.sequence_embedding import SequenceEmbedding
from clickwright.models.ranking import ranking_model
from clickwright.models.sequential import parts
from clickwright.models.sequential.sequence_params import SequenceParams
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput

WIDTH = 3


def named(*names: str) -> tuple[ModelInput, ...]:
    return tuple(i for i in INPUTS if i.name in names)


def built(inputs: Sequence[ModelInput] = INPUTS, **params: Any) -> keras.Model:
    keras.utils.set_random_seed(2)
    features = ctr_parts.symbolic_inputs(inputs)
    found = parts.embed(
        features,
        inputs,
        SequenceParams(embedding_dim=WIDTH, embedding_stddev=0.5, **params),
        "din",
    )
    outputs = {
        k: v for k, v in vars(found).items() if v is not None and k != "sequences"
    }
    return fill(keras.Model(ctr_parts.tensors(features), outputs))


def scored(model: keras.Model, **changed: Any) -> dict[str, np.ndarray[Any, Any]]:
    given = {k: v for k, v in ({**FEATURES, **changed}).items() if k in model.input}
    return {k: np.asarray(v) for k, v in model(given, training=False).items()}


def rows_of(layer: SequenceEmbedding, name: str, ids: Any) -> np.ndarray[Any, Any]:
    first, _ = layer.row_ranges[name]
    return np.asarray(layer.embeddings)[ids + first]


def mean_of_tags(layer: SequenceEmbedding, items: Any) -> np.ndarray[Any, Any]:
    tags = TABLES["tags"][items]
    real = (tags != 0)[..., None]
    total = (rows_of(layer, "tags", tags) * real).sum(-2)
    return total / np.maximum(real.sum(-2), 1)


def test_inputs_are_sorted_by_what_they_describe() -> None:
    found = parts.sequence_inputs(INPUTS, "din")
    assert found.history.name == "seen"
    assert found.target.name == "item"
    assert [(s.name, own and own.name) for s, own in found.sides] == [
        ("seen__shop", "shop"),
        ("seen__age", None),
    ]
    assert [i.name for i in found.attributes] == ["tags"]
    assert [i.name for i in found.vectors] == ["photo"]
    assert [i.name for i in found.fields] == ["item", "shop", "tags", "photo"]
    assert [i.name for i in found.extra] == ["seen__age"]
    # The vector of the shop, and the second history.
    assert [i.name for i in found.context] == [
        *("user", "hour", "bought", "price", "logo"),
    ]


def test_a_history_without_its_target_is_passed_over() -> None:
    other = ModelInput("searched", "sequence", "user", "query", 8, LENGTH)
    found = parts.sequence_inputs((other, *INPUTS), "din")
    assert found.history.name == "seen"
    assert other in found.context


@pytest.mark.parametrize("left", [("user", "item"), ("user", "seen")])
def test_a_model_without_a_history_of_its_item_says_so(left: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=r"`din` needs a history.*kind: sequence"):
        parts.sequence_inputs(named(*left), "din")


def test_an_item_is_its_fields_side_by_side_in_target_and_history() -> None:
    model = built()
    layer = model.get_layer("embeddings")
    got = scored(model)
    kernel = np.asarray(layer.kernels["photo"])

    def item(prefix: str, ids: Any, shops: Any) -> np.ndarray[Any, Any]:
        return np.concatenate(
            [
                rows_of(layer, "item", ids),
                rows_of(layer, "shop", shops),
                mean_of_tags(layer, ids),
                TABLES["photo"][ids] @ kernel,
            ],
            axis=-1,
        )

    seen = FEATURES["seen"]
    mask = seen != 0
    np.testing.assert_allclose(
        got["target"],
        item("", FEATURES["item"], FEATURES["shop"]),
        rtol=1e-5,
        atol=1e-6,
    )
    np.testing.assert_allclose(
        got["history"],
        item("seen", seen, FEATURES["seen__shop"]) * mask[..., None],
        rtol=1e-5,
        atol=1e-6,
    )
    ages = rows_of(layer, "seen__age", FEATURES["seen__age"]) * mask[..., None]
    np.testing.assert_allclose(got["history_extra"], ages[:, :, None], atol=1e-6)
    np.testing.assert_array_equal(got["mask"], mask.astype(np.float32))
    np.testing.assert_array_equal(got["history_ids"], seen)
    assert not got["history"][0].any()  # an empty history


def test_the_context_is_embedded_as_other_models_embed_it() -> None:
    model = built()
    layer = model.get_layer("embeddings")
    bought = FEATURES["bought"]
    real = (bought != 0)[..., None]
    pooled = (rows_of(layer, "bought", bought) * real).sum(1) / np.maximum(
        real.sum(1), 1
    )
    price = np.asarray(layer.embeddings)[layer.row_ranges["price"][0]]
    want = np.stack(
        [
            rows_of(layer, "user", FEATURES["user"]),
            rows_of(layer, "hour", FEATURES["hour"]),
            pooled,
            FEATURES["price"][:, None] * price,
            TABLES["logo"][FEATURES["shop"]] @ np.asarray(layer.kernels["logo"]),
        ],
        axis=1,
    )
    np.testing.assert_allclose(scored(model)["context"], want, rtol=1e-5, atol=1e-6)


def test_parameters_are_one_table_and_a_kernel_a_vector() -> None:
    # user 7, item 9, shop 5, hour 5, ages 6, price 1, tags 6.
    model = built()
    count = sum(np.prod(v.shape) for v in model.trainable_variables)
    assert count == (7 + 9 + 5 + 5 + 6 + 1 + 6) * WIDTH + (5 + 2) * WIDTH
    assert len(model.trainable_variables) == 3


def test_the_least_that_there_may_be_is_an_item_and_its_history() -> None:
    got = scored(built(named("item", "seen")))
    assert set(got) == {"target", "history", "mask", "history_ids"}
    assert got["target"].shape == (12, WIDTH)


def test_padding_on_either_side_is_masked() -> None:
    model = built(named("item", "seen"))
    right = scored(model)
    left = scored(model, seen=FEATURES["seen"][:, ::-1])
    np.testing.assert_array_equal(left["history"], right["history"][:, ::-1])
    np.testing.assert_array_equal(left["mask"], right["mask"][:, ::-1])


def test_a_model_can_do_without_histories() -> None:
    got, full = scored(built(without=("history",))), scored(built())
    assert not got["history"].any()
    assert not got["history_extra"].any()
    assert not got["mask"].any()
    np.testing.assert_array_equal(got["target"], full["target"])
    np.testing.assert_array_equal(got["context"], full["context"])


def test_a_model_can_do_without_vectors() -> None:
    model = built(without=("vectors",))
    assert {layer.name for layer in model.layers}.isdisjoint({"photo", "logo"})
    got, full = scored(model), scored(built())
    assert got["target"].shape == (12, 3 * WIDTH)
    assert got["context"].shape[1] == full["context"].shape[1] - 1


@pytest.mark.parametrize(
    "table", [{"compression": {"kind": "quotient_remainder", "min_rows": 2}}, {}]
)
def test_one_users_history_is_embedded_once_for_many_items(table: Any) -> None:
    model = built(**table)
    ranked = ranking_model(model)
    items = {i.name for i in INPUTS if i.role == "item"}
    one = {k: v if k in items else v[1:2] for k, v in FEATURES.items()}
    rows = {
        k: v if k in items else np.repeat(v[1:2], 12, 0) for k, v in FEATURES.items()
    }
    want = scored(model, **rows)
    got = {k: np.asarray(v) for k, v in ranked(one, training=False).items()}
    for key in want:
        np.testing.assert_allclose(got[key], want[key], rtol=0, atol=1e-6)
    layer = ranked.get_layer("embeddings")
    inner = keras.Model(ranked.input, layer._inbound_nodes[-1].outputs)
    assert {tuple(t.shape) for t in inner.outputs} >= {
        (1, LENGTH, 4 * WIDTH),
        (None, 4 * WIDTH),
    }


def test_rare_ids_are_counted_in_history_and_target_alike() -> None:
    model = built(min_frequency=3)
    ranked = ranking_model(model)
    items = {i.name for i in INPUTS if i.role == "item"}
    one = {k: v if k in items else v[1:2] for k, v in FEATURES.items()}
    rows = {
        k: v if k in items else np.repeat(v[1:2], 12, 0) for k, v in FEATURES.items()
    }
    model(FEATURES, training=True)
    layer = model.get_layer("embeddings")
    counts = np.asarray(layer.frequency_filter.counts)
    ids = np.concatenate([FEATURES[n].ravel() for n in ("item", "seen", "bought")])
    want = np.bincount(ids, minlength=9)
    assert want.tolist() in [counts[n : n + 9].tolist() for n in range(len(counts))]
    for key, values in scored(model, **rows).items():
        np.testing.assert_allclose(
            ranked(one, training=False)[key], values, rtol=0, atol=1e-6
        )


def test_a_model_is_rebuilt_from_its_config() -> None:
    model = built()
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    again = keras.saving.deserialize_keras_object(config)
    again.set_weights(model.get_weights())
    want, got = scored(model), scored(again)
    for key in want:
        np.testing.assert_array_equal(got[key], want[key])


def test_half_precision_embeds_nearly_the_same() -> None:
    full = built()
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        low = built()
    finally:
        keras.config.set_dtype_policy(policy)
    low.set_weights(full.get_weights())
    want, got = scored(full), scored(low)
    assert low.output["history"].dtype == "bfloat16"
    assert low.output["mask"].dtype == "float32"
    for key in want:
        np.testing.assert_allclose(
            got[key].astype(np.float32), want[key], rtol=0.02, atol=0.02
        )


def test_target_and_history_must_go_together() -> None:
    item, shop, seen = named("item", "shop", "seen")
    with pytest.raises(ValueError, match=r"one sequence for each id of `target`"):
        SequenceEmbedding([item, shop], [seen], width=WIDTH)
    with pytest.raises(ValueError, match="of the same table"):
        SequenceEmbedding([shop], [seen], width=WIDTH)


def test_an_attribute_without_its_entity_names_both() -> None:
    alone = dataclasses.replace(named("tags")[0], entity="itme")
    with pytest.raises(ConfigError, match=r"`tags` is looked up by `itme`.*`item`"):
        ctr_parts.symbolic_inputs((*named("item"), alone))
