"""Every registered model's signatures answer as its training graph does."""

import functools
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import pytest
import retrieval_log
import tensorflow as tf
from request_files import replay
from transformed_shop import (
    PLAN,
    SPEC,
    Row,
    Transformed,
    encode,
    make_rows,
    transform,
)
from zoo_shop import SMALL

from clickwright.models import registry
from clickwright.models.click_requests import write_click_requests
from clickwright.models.export import MISSING_INT64, export, feature_columns
from clickwright.models.export_retrieval import export_retrieval
from clickwright.models.item_vocabulary import vocabulary_values
from clickwright.models.request_rows import RequestRows
from clickwright.models.retrieval.retrieval_inputs import RetrievalInputs
from clickwright.models.retrieval_requests import write_retrieval_requests
from clickwright.models.training.trainer_inputs import vocabulary_sizes
from clickwright.schemas.spec import FeatureSpec

# Values 20 .. 29 are in no vocabulary.
ROWS = make_rows(12, seed=3, known=30)
SEARCHES = FeatureSpec.model_validate(
    {
        **SPEC.model_dump(),
        "name": "searches",
        "features": {
            **SPEC.model_dump()["features"],
            "query": {"kind": "categorical", "role": "context", "presence": "optional"},
            "queries": {
                "kind": "sequence",
                "role": "user",
                "of": "query",
                "presence": "optional",
                "max_length": 4,
                "side": {"clicked": {"of": "item", "column": "queries_clicked"}},
            },
        },
    }
)
"""What the model of search queries reads beside everything else."""
ALWAYS = ("deepfm", "sasrec")
"""Exported in every run of the tests; the other models in the slow ones."""


def of_task(task: str) -> list[Any]:
    return [
        pytest.param(name, marks=() if name in ALWAYS else pytest.mark.slow)
        for name in sorted(registry.MODELS)
        if registry.entry(name).task == task
    ]


def moved(model: keras.Model) -> Any:
    """The model with weights that tell rows apart."""
    generator = np.random.default_rng(4)
    for weight in model.trainable_variables:
        if weight.path.endswith("embeddings"):
            weight.assign(generator.normal(0.0, 0.3, weight.shape))
    return model


def searched(rows: Sequence[Row]) -> list[Row]:
    """The rows with queries, some of them in no vocabulary."""
    generator = np.random.default_rng(5)
    made: list[Row] = []
    for row in rows:
        count = int(generator.integers(0, 6))
        queries = [f"query {n}" for n in generator.integers(0, 9, count)]
        clicked = [f"item {n}" for n in generator.integers(0, 30, count)]
        made.append(
            {
                **row,
                "query": queries[0] if queries else None,
                "queries": queries,
                "queries_clicked": clicked,
            }
        )
    return made


@pytest.fixture(scope="module")
def click_model(
    transformed: Transformed, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], pathlib.Path]:
    """Exports a registered model, once, with golden requests."""

    @functools.cache
    def make(name: str) -> pathlib.Path:
        folder = tmp_path_factory.mktemp(name) / "1"
        keras.utils.set_random_seed(1)
        spec, log, output = SPEC, ROWS, transformed.output
        if name == "search_query":
            spec, log = SEARCHES, searched(ROWS)
            train = searched(make_rows(200, seed=1))
            output = transform(folder.parent / "log", train, train[:9], spec).output
        sizes = vocabulary_sizes(spec, output)
        parameters = dict(SMALL.get(name, {}))
        parameters.pop("gate1_context", None)
        inputs = spec.model_inputs(sizes, PLAN.encodings())
        model = moved(registry.build(name, inputs, parameters))
        folded = registry.fold(name, model)
        export(folded, output, spec, folder, 0.5, PLAN)
        rows = RequestRows(tuple(encode(row, spec=spec) for row in log), (1, 5))
        write_click_requests(model, output, spec, folder, rows, 0.5)
        return folder

    return make


@pytest.mark.parametrize("name", of_task("click"))
def test_three_signatures_of_click_models_equal_the_training_graph(
    name: str, click_model: Callable[[str], pathlib.Path]
) -> None:
    found = replay(click_model(name))
    names = ("serving_default", "predict_raw", "rank")
    assert set(found) == {(name, n) for name in names for n in (1, 5, 12)}
    assert max(found.values()) < 1e-6


@pytest.fixture(scope="module")
def sequences(tmp_path_factory: pytest.TempPathFactory) -> Transformed:
    return retrieval_log.transformed(tmp_path_factory.mktemp("sequences"))


@pytest.mark.parametrize("name", of_task("retrieval"))
def test_signatures_of_retrieval_models_equal_the_training_graph(
    name: str, sequences: Transformed, tmp_path: pathlib.Path
) -> None:
    keras.utils.set_random_seed(1)
    spec, output = retrieval_log.SPEC, sequences.output
    every = spec.model_inputs(vocabulary_sizes(spec, output))
    inputs = RetrievalInputs.of(every)
    values = vocabulary_values(spec, output, inputs.item.name)
    model: Any = moved(registry.build(name, every))
    export_retrieval(model, output, spec, inputs, values, tmp_path / "1")
    rows = tuple(retrieval_log.serialized(retrieval_log.VALID[:12]))
    asked = RequestRows(rows, (1, 5))
    write_retrieval_requests(model, output, spec, inputs, values, tmp_path / "1", asked)
    found = replay(tmp_path / "1")
    names = ("serving_default", "top_k", "embed_user", "embed_item")
    assert set(found) == {(name, n) for name in names for n in (1, 5, 12)}
    assert max(found.values()) < 1e-5


@pytest.fixture(scope="module")
def loaded(click_model: Callable[[str], pathlib.Path]) -> Any:
    return tf.saved_model.load(str(click_model("deepfm")))


USUAL: dict[str, Any] = {
    **ROWS[0],
    "user": 0,
    "item": "item 1",
    "shop": "shop 1",
    "hour": 3,
    "price": 7.5,
    "age": 30,
    "tags": ["tag 1", "tag 2"],
    "history": ["item 2"],
    "history_hour": [4],
}


def scores(loaded: Any, **changes: Any) -> list[float]:
    """What each signature gives for the usual row with some columns changed.

    An absent one (None) is left out of the Example and is the missing value in tensors.
    """
    row = {**USUAL, **changes}
    missing = {"int64": MISSING_INT64, "string": "", "float32": float("nan")}
    raw = {}
    for name, is_list in feature_columns(SPEC).items():
        gap = missing[SPEC.columns()[name].dtype]
        value = gap if row[name] is None else row[name]
        value = [value] if not is_list or row[name] is not None else [[gap]]
        raw[name] = tf.constant(value, SPEC.columns()[name].dtype)
    example = tf.constant([encode(row, only=list(feature_columns(SPEC)))])
    signatures = loaded.signatures
    return [
        float(answer["probability"][0])
        for answer in (
            signatures["serving_default"](examples=example),
            signatures["predict_raw"](**raw),
            signatures["rank"](**raw),
        )
    ]


@pytest.mark.parametrize(
    ("column", "unknown", "other", "missing"),
    [
        # Others would not score alike: a cross of both hashes the values.
        ("item", "never seen", None, ""),
        ("user", 999_999, None, None),
        ("hour", 24, 1_000, None),
        ("tags", ["never seen"], ["nor this"], []),
        ("history", ["never seen"], ["nor this"], []),
    ],
)
def test_unknown_values_are_out_of_vocabulary_and_never_padding(
    loaded: Any, column: str, unknown: Any, other: Any, missing: Any
) -> None:
    one = scores(loaded, **{column: unknown})
    np.testing.assert_allclose(one, one[0], rtol=0, atol=1e-6)
    if other is not None:
        again = scores(loaded, **{column: other})
        np.testing.assert_allclose(one, again, rtol=0, atol=1e-6)
    assert abs(one[0] - scores(loaded)[0]) > 1e-4
    if missing is not None or column == "hour":
        absent = scores(loaded, **{column: missing})
        np.testing.assert_allclose(absent, absent[0], rtol=0, atol=1e-6)
        assert abs(one[0] - absent[0]) > 1e-4


def test_missing_optional_features_take_their_defaults_in_every_signature(
    loaded: Any,
) -> None:
    optional = [n for n, c in SPEC.serving_columns().items() if not c.required]
    assert set(optional) == set(SPEC.serving_columns()) - {"user", "item"}
    for column in optional:
        given = scores(loaded, **{column: None})
        np.testing.assert_allclose(given, given[0], rtol=0, atol=1e-6)
        assert np.isfinite(given).all()
    # What stands for a missing value in tensors is what an empty list says.
    np.testing.assert_allclose(
        scores(loaded, tags=None), scores(loaded, tags=[]), rtol=0, atol=1e-6
    )
