import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from transformed_shop import PLAN, SPEC, Row, Transformed, make_rows
from zoo_shop import SMALL

from clickwright.models import registry
from clickwright.models.export import MISSING_INT64, export, feature_columns
from clickwright.models.training.trainer_inputs import vocabulary_sizes

ITEM_COLUMNS = {"item", "shop", "price", "tags"}
ROWS = make_rows(9, seed=3, known=30)


def raw(rows: Sequence[Row]) -> dict[str, tf.Tensor]:
    """The rows as dense tensors, lists padded at the end."""
    missing = {"int64": MISSING_INT64, "string": "", "float32": float("nan")}
    tensors = {}
    for name, is_list in feature_columns(SPEC).items():
        dtype = SPEC.columns()[name].dtype
        values: list[Any] = [
            missing[dtype] if row[name] is None else row[name] for row in rows
        ]
        if is_list:
            longest = max(1, *(len(own) for own in values))
            values = [own + [missing[dtype]] * (longest - len(own)) for own in values]
        tensors[name] = tf.constant(values, dtype)
    return tensors


@pytest.fixture(scope="module")
def exported(
    transformed: Transformed, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Any]:
    """Trains nothing: builds a model, moves its weights, exports and loads it."""

    def load(name: str) -> Any:
        keras.utils.set_random_seed(1)
        inputs = SPEC.model_inputs(
            vocabulary_sizes(SPEC, transformed.output), PLAN.encodings()
        )
        parameters = dict(SMALL.get(name, {}))
        parameters.pop("gate1_context", None)
        model = registry.build(name, inputs, parameters)
        generator = np.random.default_rng(4)
        for weight in model.trainable_variables:
            if weight.path.endswith("embeddings"):
                weight.assign(generator.normal(0.0, 0.3, weight.shape))
        target = tmp_path_factory.mktemp("exported") / "1"
        export(
            registry.fold(name, model),
            transformed.output,
            SPEC,
            target,
            negative_sampling_rate=0.5,
            plan=PLAN,
        )
        return tf.saved_model.load(str(target))

    return load


@pytest.mark.parametrize("name", ["dnn", "qin"])
def test_items_score_for_one_user_as_they_do_in_rows(
    name: str, exported: Callable[[str], Any]
) -> None:
    loaded = exported(name)
    rank, predict = (loaded.signatures[s] for s in ("rank", "predict_raw"))
    for user in ROWS[:3]:
        rows = [{**user, **{c: row[c] for c in ITEM_COLUMNS}} for row in ROWS]
        items, one = raw(rows), raw([user])
        given = {c: items[c] if c in ITEM_COLUMNS else one[c] for c in items}
        want = predict(**items)["probability"].numpy()
        assert want.std() > 1e-4  # the items tell apart
        got = rank(**given)["probability"]
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)


def test_one_user_row_is_asked_for(exported: Callable[[str], Any]) -> None:
    loaded = exported("dnn")
    _, given = loaded.signatures["rank"].structured_input_signature
    for name, is_list in feature_columns(SPEC).items():
        rows = None if name in ITEM_COLUMNS else 1
        assert given[name].shape.as_list() == ([rows, None] if is_list else [rows])


def test_one_item_and_no_item_can_be_ranked(exported: Callable[[str], Any]) -> None:
    loaded = exported("dnn")
    one = raw(ROWS[:1])
    want = loaded.signatures["predict_raw"](**one)["probability"]
    np.testing.assert_allclose(
        loaded.signatures["rank"](**one)["probability"], want, rtol=0, atol=1e-6
    )
    none = {c: x[:0] if c in ITEM_COLUMNS else x for c, x in one.items()}
    assert loaded.signatures["rank"](**none)["probability"].shape == (0,)


def test_without_items_there_is_no_ranking(
    transformed: Transformed, tmp_path: pathlib.Path
) -> None:
    features = {
        name: feature.model_copy(update={"role": "context"})
        for name, feature in SPEC.features.items()
    }
    spec = SPEC.model_copy(update={"features": features})
    inputs = spec.model_inputs(
        vocabulary_sizes(spec, transformed.output), PLAN.encodings()
    )
    model = registry.build("dnn", inputs, SMALL["dnn"])
    export(model, transformed.output, spec, tmp_path / "1", plan=PLAN)
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    assert "rank" not in loaded.signatures
