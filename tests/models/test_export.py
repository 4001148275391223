import pathlib
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from transformed_shop import SPEC, Row, Transformed, encode, make_rows

from clickwright.models import registry
from clickwright.models.export import MISSING_INT64, export, feature_columns
from clickwright.models.training.run import vocabulary_sizes
from clickwright.schemas.errors import MachineError

FEATURE_COLUMNS = feature_columns(SPEC)
# Values 20 .. 29 are in no vocabulary.
ROWS = make_rows(1000, seed=3, known=30)


@pytest.fixture(scope="module")
def model(transformed: Transformed) -> keras.Model:
    keras.utils.set_random_seed(1)
    inputs = SPEC.model_inputs(vocabulary_sizes(SPEC, transformed.output))
    params = {"embedding_dim": 4, "hidden_units": [8], "embedding_stddev": 0.3}
    built = registry.build("deepfm", inputs, params)
    norm = built.get_layer("tower").steps[1]
    norm.moving_mean.assign(np.linspace(-1, 1, 8))  # running statistics of their own
    return built


@pytest.fixture(scope="module")
def directory(
    model: keras.Model,
    transformed: Transformed,
    tmp_path_factory: pytest.TempPathFactory,
) -> pathlib.Path:
    target = tmp_path_factory.mktemp("exported") / "1"
    export(model, transformed.output, SPEC, target)
    return target


@pytest.fixture(scope="module")
def trained(model: keras.Model, transformed: Transformed) -> np.ndarray[Any, Any]:
    """Probabilities of `ROWS` from the model on tensors transformed beforehand."""
    output = transformed.output
    raw = tf.io.parse_example([encode(r) for r in ROWS], output.raw_feature_spec())
    tensors = output.transform_features_layer()(raw)
    features = {name: tensors[name] for name in model.input}
    return np.asarray(model(features, training=False)["probability"])


def served(rows: list[Row]) -> tf.Tensor:
    """Requests: tf.Examples that hold features and nothing else."""
    return tf.constant([encode(row, only=list(FEATURE_COLUMNS)) for row in rows])


def raw_tensors(rows: list[Row]) -> dict[str, Any]:
    """Requests as dense tensors, lists padded at the end."""
    missing = {"int64": MISSING_INT64, "string": "", "float32": float("nan")}
    tensors = {}
    for name, is_list in FEATURE_COLUMNS.items():
        dtype = SPEC.columns()[name].dtype
        empty = missing[dtype]
        if is_list:
            longest = max(len(row[name]) for row in rows)
            values: list[Any] = [
                row[name] + [empty] * (longest - len(row[name])) for row in rows
            ]
        else:
            values = [empty if row[name] is None else row[name] for row in rows]
        tensors[name] = tf.constant(values, dtype)
    return tensors


def test_both_signatures_equal_the_training_graph(
    directory: pathlib.Path, trained: np.ndarray[Any, Any]
) -> None:
    signatures = tf.saved_model.load(str(directory)).signatures
    assert set(signatures) >= {"serving_default", "predict_raw"}
    assert trained.std() > 0.05  # the rows tell apart
    from_examples = signatures["serving_default"](examples=served(ROWS))["probability"]
    from_tensors = signatures["predict_raw"](**raw_tensors(ROWS))["probability"]
    assert from_examples.dtype == tf.float32 and from_examples.shape == (1000,)
    np.testing.assert_allclose(from_examples, trained, rtol=0, atol=1e-6)
    np.testing.assert_allclose(from_tensors, trained, rtol=0, atol=1e-6)


def test_the_loader_that_tensorflow_serving_uses_gives_the_same(
    directory: pathlib.Path, trained: np.ndarray[Any, Any]
) -> None:
    requests = served(ROWS).numpy()
    raw_requests = {name: t.numpy() for name, t in raw_tensors(ROWS).items()}
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        loaded = tf.compat.v1.saved_model.loader.load(
            session, ["serve"], str(directory)
        )
        default = loaded.signature_def["serving_default"]
        assert set(default.inputs) == {"examples"}
        examples = session.run(
            default.outputs["probability"].name,
            {default.inputs["examples"].name: requests},
        )
        raw = loaded.signature_def["predict_raw"]
        assert set(raw.inputs) == set(FEATURE_COLUMNS)
        tensors = session.run(
            raw.outputs["probability"].name,
            {raw.inputs[name].name: t for name, t in raw_requests.items()},
        )
    np.testing.assert_allclose(examples, trained, rtol=0, atol=1e-6)
    np.testing.assert_allclose(tensors, trained, rtol=0, atol=1e-6)


def test_a_model_that_cannot_be_written_names_its_folder(
    model: keras.Model, transformed: Transformed, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="The model cannot be written") as error:
        export(model, transformed.output, SPEC, tmp_path / "file" / "1")
    assert error.value.where == str(tmp_path / "file" / "1")


def test_labels_weight_and_time_are_not_read(directory: pathlib.Path) -> None:
    assert "click" not in FEATURE_COLUMNS and "importance" not in FEATURE_COLUMNS
    score = tf.saved_model.load(str(directory)).signatures["serving_default"]
    whole = tf.constant([encode(row) for row in ROWS])
    np.testing.assert_array_equal(
        score(examples=whole)["probability"],
        score(examples=served(ROWS))["probability"],
    )


def test_one_row_scores_as_it_does_among_others(
    directory: pathlib.Path, trained: np.ndarray[Any, Any]
) -> None:
    score = tf.saved_model.load(str(directory)).signatures["serving_default"]
    for n in (0, 7, 500):
        alone = score(examples=served([ROWS[n]]))["probability"]
        np.testing.assert_allclose(alone, trained[n : n + 1], rtol=0, atol=1e-6)


def test_an_example_without_any_optional_feature_is_scored(
    directory: pathlib.Path,
) -> None:
    row = {**ROWS[0], "shop": None, "hour": None, "price": None, "age": None}
    row |= {"tags": [], "history": [], "history_hour": []}
    signatures = tf.saved_model.load(str(directory)).signatures
    bare = signatures["serving_default"](examples=served([row]))["probability"]
    assert np.isfinite(np.asarray(bare)).all()
    tensors = signatures["predict_raw"](**raw_tensors([row]))["probability"]
    np.testing.assert_allclose(bare, tensors, rtol=0, atol=1e-6)


def test_gaps_in_raw_lists_are_closed(directory: pathlib.Path) -> None:
    score = tf.saved_model.load(str(directory)).signatures["predict_raw"]
    tensors = raw_tensors([{**ROWS[0], "tags": ["tag 1", "", "tag 2"]}])
    closed = raw_tensors([{**ROWS[0], "tags": ["tag 1", "tag 2", ""]}])
    np.testing.assert_array_equal(
        score(**tensors)["probability"], score(**closed)["probability"]
    )
