import math
import pathlib
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numeric_plans import scaled
from transformed_shop import (
    PLAN,
    SPEC,
    Row,
    Transformed,
    encode,
    make_rows,
    transform,
)

from clickwright.models import registry
from clickwright.models.export import HEALTH, MISSING_INT64, export, feature_columns
from clickwright.models.fold_norms import fold_norms
from clickwright.models.training.trainer_inputs import vocabulary_sizes
from clickwright.schemas.errors import MachineError

FEATURE_COLUMNS = feature_columns(SPEC)
# Values 20 .. 29 are in no vocabulary.
ROWS = make_rows(1000, seed=3, known=30)
PRICES = (
    *(None, math.nan, math.inf, -math.inf, 1e300, 3e38, -3e38, -0.0, 0.0, 1e-45),
    *(-1e-40, 0.5, 0.499, 150.0, 150.1, 7.0),
)
AGES = (None, 2**62, -(2**62), 15, 14, 79, 80, 0)
ODD_ROWS: list[Row] = [
    {
        **ROWS[n],
        "importance": float(n),  # tells which row it is, behind Transform
        "click": n % 2,
        "price": price,
        "age": AGES[n % len(AGES)],
    }
    for n, price in enumerate(PRICES)
]
"""Numbers outside the training range, and some that are none."""


@pytest.fixture(scope="module")
def model(transformed: Transformed) -> keras.Model:
    keras.utils.set_random_seed(1)
    sizes = vocabulary_sizes(SPEC, transformed.output)
    inputs = SPEC.model_inputs(sizes, PLAN.encodings())
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
    export(model, transformed.output, SPEC, target, plan=PLAN)
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


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray[Any, Any]]:
    """What Transform writes of `ODD_ROWS`, in their order."""
    done = transform(tmp_path_factory.mktemp("odd"), make_rows(1200, seed=1), ODD_ROWS)
    files = sorted(str(path) for path in done.valid.iterdir())
    records = list(tf.data.TFRecordDataset(files, "GZIP"))
    parsed = tf.io.parse_example(records, done.output.transformed_feature_spec())
    order = np.argsort(parsed["sample_weight"].numpy())
    return {name: tensor.numpy()[order] for name, tensor in parsed.items()}


def test_odd_numbers_are_scaled_alike_in_training_and_in_serving(
    directory: pathlib.Path, model: keras.Model, odd: dict[str, np.ndarray[Any, Any]]
) -> None:
    as_float32 = np.array(
        [math.nan if p is None else p for p in PRICES if p != 1e300], np.float32
    )
    np.testing.assert_allclose(
        np.delete(odd["price"], PRICES.index(1e300)),
        scaled(PLAN.fields["price"].scaling, as_float32.tolist()),
        rtol=1e-6,
    )
    # A float64 beyond float32 is infinite there.
    assert odd["price"][PRICES.index(1e300)] == odd["price"][PRICES.index(math.inf)]
    features = {name: odd[name] for name in model.input}
    trained = np.asarray(model(features, training=False)["probability"])
    assert np.isfinite(trained).all()

    signatures = tf.saved_model.load(str(directory)).signatures
    from_examples = signatures["serving_default"](examples=served(ODD_ROWS))
    from_tensors = signatures["predict_raw"](**raw_tensors(ODD_ROWS))

    for given in (from_examples, from_tensors):
        np.testing.assert_allclose(given["probability"], trained, rtol=0, atol=1e-6)


def test_every_weight_is_written_once(
    directory: pathlib.Path, model: keras.Model
) -> None:
    stored = tf.train.load_checkpoint(str(directory / "variables" / "variables"))
    shapes = stored.get_variable_to_shape_map().values()
    counts = [int(np.prod(shape)) for shape in shapes if shape]
    folded = fold_norms(model)
    weights = [v for v in folded.variables if "seed" not in v.path]
    assert sum(counts) == sum(int(np.prod(v.shape)) for v in weights)


def test_health_counts_what_training_has_not_seen(directory: pathlib.Path) -> None:
    health = tf.saved_model.load(str(directory)).signatures["numeric_health"]
    found = {
        name: counts.numpy().tolist()
        for name, counts in health(examples=served(ODD_ROWS)).items()
    }

    assert list(PLAN.fields) == ["price", "age"]  # the order of the counts
    assert found == {
        "missing": [2, 2],
        "non_finite": [3, 0],
        "below": [6, 6],  # prices from -3e38 to 0.499, both zeros among them
        "above": [2, 4],
    }
    assert set(found) == set(HEALTH)


def test_health_of_ordinary_rows_equals_a_count_by_hand(
    directory: pathlib.Path,
) -> None:
    health = tf.saved_model.load(str(directory)).signatures["numeric_health"]
    found = health(examples=served(ROWS))

    for n, (name, field) in enumerate(PLAN.fields.items()):
        values = [row[name] for row in ROWS if row[name] is not None]
        low, high = field.scaling.low, field.scaling.high
        assert found["missing"][n] == len(ROWS) - len(values) > 0
        assert found["below"][n] == sum(value < low for value in values)
        assert found["above"][n] == sum(value > high for value in values)
    assert found["missing"].dtype == tf.int64


def test_without_a_plan_there_is_no_health(
    model: keras.Model, transformed: Transformed, tmp_path: pathlib.Path
) -> None:
    export(model, transformed.output, SPEC, tmp_path / "1")
    signatures = tf.saved_model.load(str(tmp_path / "1")).signatures
    assert set(signatures) == {"serving_default", "predict_raw", "rank"}


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
