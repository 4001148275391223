"""The inspection of a small shop's numeric fields, against NumPy."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2
from numeric_plans import STATISTICS
from tfx import types
from tfx.types import artifact_utils, standard_artifacts

from clickwright.components.discretizer.artifacts import DiscretizationPlan as Plan
from clickwright.components.inspection import artifacts
from clickwright.components.inspection.executor import Executor
from clickwright.components.inspection.field_encoders import FieldEncoders
from clickwright.components.inspection.inspect_fields import inspect_fields
from clickwright.components.inspection.previous_report import PreviousReport
from clickwright.components.inspection.raw_scorer import RawScorer
from clickwright.models import registry
from clickwright.models.export import MISSING_INT64
from clickwright.models.layers.fused_embedding import FusedEmbedding
from clickwright.models.training.numeric_fields import (
    read_numeric_fields,
    write_numeric_fields,
)
from clickwright.schemas.autodis_report import AutoDisReport
from clickwright.schemas.discretization_plan import (
    DiscretizationPlan,
    FieldPlan,
    Scaling,
    spec_digest,
)
from clickwright.schemas.errors import ConfigError, DataError
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.numeric_encoding import (
    AutoDisEncoding,
    BucketsEncoding,
    LinearEncoding,
    NumericEncoding,
    PeriodicEncoding,
    PiecewiseLinearEncoding,
)
from clickwright.schemas.spec import FeatureSpec

Columns = Mapping[str, np.ndarray]

SPEC = FeatureSpec.model_validate(
    {
        "name": "shop",
        "labels": {"click": {"presence": "optional"}},
        "split": {"kind": "given"},
        "weight": "importance",
        "features": {
            "item": {"kind": "categorical", "role": "item"},
            "price": {
                "kind": "numeric",
                "role": "item",
                "presence": "optional",
                "column": "cents",
            },
            "age": {"kind": "numeric", "role": "user", "dtype": "int64"},
            "tags": {"kind": "multi_hot", "role": "item", "presence": "optional"},
            "fixed": {"kind": "numeric", "role": "item"},
        },
    }
)
AUTODIS = AutoDisEncoding(meta_embeddings=5, temperature=0.3)
AGES = BucketsEncoding(boundaries=(-0.5, 0.5, 9.0))
PRICES = Scaling(kind="log1p", low=1.0, high=100.0, shift=2.5, width=1.5)


def columns(rows: int, seed: int, highest: float = 100.0) -> dict[str, np.ndarray]:
    """A split by column; NaN is absent."""
    rng = np.random.default_rng(seed)
    cents = np.exp(rng.uniform(0, np.log(highest), rows)).astype(np.float32)
    cents[::9] = np.nan
    cents[5::50] = np.inf
    click = (rng.random(rows) < 0.1 + 0.6 * (np.nan_to_num(cents) > 20)).astype(float)
    click[::13] = np.nan
    return {
        "item": rng.choice(["a", "b", "ccc"], rows),
        "cents": cents.clip(max=np.float32(highest) if seed == 1 else np.inf),
        "age": rng.integers(18, 60, rows),
        "tags": rng.integers(0, 3, rows),  # so many tags
        "fixed": np.full(rows, 7.0),
        "importance": rng.integers(0, 3, rows).astype(np.float32),
        "click": click,
    }


def write(split: Columns, folder: pathlib.Path) -> list[str]:
    """The rows as tf.Examples in two files."""
    folder.mkdir(parents=True)
    paths = [str(folder / f"rows-{n}.tfrecord") for n in range(2)]
    rows = len(split["age"])
    for path, part in zip(paths, np.array_split(np.arange(rows), 2), strict=True):
        with tf.io.TFRecordWriter(path) as writer:
            for i in part:
                feature = tf.train.Example()
                f = feature.features.feature
                f["item"].bytes_list.value.append(str(split["item"][i]).encode())
                f["age"].int64_list.value.append(int(split["age"][i]))
                f["fixed"].float_list.value.append(float(split["fixed"][i]))
                f["tags"].bytes_list.value.extend([b"t"] * int(split["tags"][i]))
                f["importance"].float_list.value.append(float(split["importance"][i]))
                if not np.isnan(split["cents"][i]):
                    f["cents"].float_list.value.append(float(split["cents"][i]))
                if not np.isnan(split["click"][i]):
                    f["click"].int64_list.value.append(int(split["click"][i]))
                writer.write(feature.SerializeToString())
    return paths


def probability(split: Columns) -> np.ndarray:
    """What the model of `save_model` predicts."""
    cents = split["cents"].astype(np.float64)
    price = np.where(np.isnan(cents), 0.7, 0.02 * np.minimum(cents, 40.0))
    logit = price + 0.03 * split["age"] - np.char.str_len(split["item"].astype(str))
    return 1 / (1 + np.exp(-logit - 0.2 * split["tags"]))


class Model(tf.Module):
    """A model of raw columns without anything to learn."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, "item"),
            tf.TensorSpec([None], tf.float32, "cents"),
            tf.TensorSpec([None], tf.int64, "age"),
            tf.TensorSpec([None, None], tf.string, "tags"),
            tf.TensorSpec([None], tf.float32, "fixed"),
        ]
    )
    def predict_raw(
        self, item: Any, cents: Any, age: Any, tags: Any, fixed: Any
    ) -> dict[str, Any]:
        price = tf.where(tf.math.is_nan(cents), 0.7, 0.02 * tf.minimum(cents, 40.0))
        tagged = tf.reduce_sum(tf.cast(tags != "", tf.float32), axis=1)
        logit = price + 0.03 * tf.cast(age, tf.float32) + 0.2 * tagged + 0 * fixed
        logit -= tf.cast(tf.strings.length(item), tf.float32)
        return {"probability": tf.sigmoid(logit)}


def save_model(folder: pathlib.Path) -> str:
    model = Model()
    tf.saved_model.save(
        model, str(folder), signatures={"predict_raw": model.predict_raw}
    )
    return str(folder)


def make_plan(train: Columns) -> DiscretizationPlan:
    decided: dict[str, tuple[str, Scaling, NumericEncoding]] = {
        "price": ("cents", PRICES, AUTODIS),
        "age": (
            "age",
            Scaling(kind="z_score", low=18.0, high=59.0, shift=38.0, width=12.0),
            AGES,
        ),
        "fixed": ("fixed", Scaling(kind="none", low=7.0, high=7.0), LinearEncoding()),
    }
    fields = {}
    for name, (column, scaling, encoding) in decided.items():
        values = train[column].astype(np.float64)
        values = values[np.isfinite(values)]
        quantiles = np.quantile(values, np.linspace(0, 1, 101), method="nearest")
        statistics = STATISTICS.model_copy(
            update={
                "low": values.min(),
                "high": values.max(),
                "quantiles": tuple(quantiles.tolist()),
            }
        )
        fields[name] = FieldPlan(
            statistics=statistics,
            scaling=scaling,
            encoding=encoding,
            reasons={"encoder": "test"},
        )
    return DiscretizationPlan(
        spec_name=SPEC.name, spec_digest=spec_digest(SPEC), fields=fields
    )


def make_layer() -> FusedEmbedding:
    """Encoders with weights large enough to tell values apart."""
    inputs = [
        ModelInput("price", "value", "item", numeric=AUTODIS),
        ModelInput("age", "value", "user", numeric=AGES),
        ModelInput("fixed", "value", "item", numeric=LinearEncoding()),
    ]
    layer = FusedEmbedding(inputs, 4)
    layer.build({i.name: (None,) for i in inputs})
    rng = np.random.default_rng(5)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer


def autodis_weights(layer: FusedEmbedding, cents: np.ndarray) -> np.ndarray:
    """The weights of the meta-embeddings, step by step, `[n, H]`."""
    assert layer.numeric is not None
    encoder, place = layer.numeric.encoder_of("price")
    w, b, second, c = (
        np.asarray(part, np.float64)[place]
        for part in (
            encoder.first,
            encoder.first_bias,
            encoder.second,
            encoder.second_bias,
        )
    )
    x = (np.log1p(np.clip(cents, 1, 100)) - 2.5) / 1.5
    h = x[:, None] * w + b
    h = np.where(h > 0, h, 0.01 * h)
    v = (h @ second + 0.1 * h + c) / 0.3
    e = np.exp(v - v.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


TRAIN = columns(2000, seed=1)
VALID = columns(700, seed=2, highest=150.0)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    folder = tmp_path_factory.mktemp("examples")
    return {
        "train": write(TRAIN, folder / "Split-train"),
        "valid": write(VALID, folder / "Split-valid"),
    }


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_model(tmp_path_factory.mktemp("model") / "Format-Serving")


@pytest.fixture(scope="module")
def layer() -> FusedEmbedding:
    return make_layer()


@pytest.fixture(scope="module")
def plan() -> DiscretizationPlan:
    return make_plan(TRAIN)


@pytest.fixture(scope="module")
def report(
    files: dict[str, list[str]],
    model: str,
    layer: FusedEmbedding,
    plan: DiscretizationPlan,
) -> AutoDisReport:
    return inspect_fields(
        SPEC, plan, files, RawScorer(model), FieldEncoders(layer, plan)
    )


def test_responses_are_means_over_validation_rows_with_the_field_set(
    report: AutoDisReport,
) -> None:
    sample = {name: column[::2] for name, column in VALID.items()}  # 700 > 512
    assert report.response_rows == 350
    price = report.fields["price"]
    expected = [
        probability({**sample, "cents": np.full(350, value)}).mean()
        for value in (*price.grid, np.nan)
    ]
    np.testing.assert_allclose(price.response, expected[:-1], atol=1e-6)
    assert price.response_missing == pytest.approx(expected[-1], abs=1e-6)
    age = report.fields["age"]
    expected = [
        probability({**sample, "age": np.full(350, value)}).mean() for value in age.grid
    ]
    np.testing.assert_allclose(age.response, expected, atol=1e-6)
    assert age.response_missing is None  # required


def test_grids_run_from_the_least_value_of_training_to_the_greatest(
    report: AutoDisReport,
) -> None:
    for name, column in (("price", "cents"), ("age", "age")):
        values = TRAIN[column][np.isfinite(TRAIN[column])]
        grid = report.fields[name].grid
        assert (grid[0], grid[-1]) == (values.min(), values.max())
        assert set(grid) <= {float(v) for v in values}
        assert 20 < len(grid) <= 33


def test_click_rates_are_those_of_the_training_rows(report: AutoDisReport) -> None:
    labelled = ~np.isnan(TRAIN["click"])
    cents, weight = TRAIN["cents"], TRAIN["importance"].astype(np.float64)
    bins = report.fields["price"].click_rates
    assert len(bins) >= 10
    for n, b in enumerate(bins):
        last = n == len(bins) - 1
        inside = (cents >= b.low) & ((cents <= b.high) if last else (cents < b.high))
        if b.low == b.high:
            inside = cents == b.low
        inside &= labelled
        assert b.rows == inside.sum()
        expected = np.average(TRAIN["click"][inside], weights=weight[inside])
        assert b.rate == pytest.approx(expected)
    missing = report.fields["price"].missing_clicks
    assert missing is not None
    assert missing.rows == (np.isnan(cents) & labelled).sum()
    assert sum(b.rows for b in bins) == (np.isfinite(cents) & labelled).sum()


def test_splits_are_counted_against_the_training_range(report: AutoDisReport) -> None:
    cents = VALID["cents"]
    finite = np.isfinite(cents)
    low, high = (
        f(TRAIN["cents"][np.isfinite(TRAIN["cents"])]) for f in (np.min, np.max)
    )
    found = report.fields["price"].splits["valid"]
    assert found.rows == 700
    assert found.missing == pytest.approx(np.isnan(cents).mean())
    assert found.non_finite == pytest.approx(np.isinf(cents).mean())
    assert found.below == pytest.approx((finite & (cents < low)).mean())
    assert found.above == pytest.approx((finite & (cents > high)).mean())
    assert found.above > 0.05
    train = report.fields["price"].splits["train"]
    assert (train.below, train.above) == (0, 0)


def test_the_use_of_autodis_is_the_mean_of_its_softmax(
    report: AutoDisReport, layer: FusedEmbedding
) -> None:
    field = report.fields["price"]
    assert field.usage is not None and field.assignments is not None
    known = TRAIN["cents"][~np.isnan(TRAIN["cents"])].astype(np.float64)
    expected = autodis_weights(layer, known).mean(axis=0)
    np.testing.assert_allclose(field.usage.shares, expected, atol=1e-5)
    entropy = -np.sum(expected * np.log(expected))
    assert field.usage.effective == pytest.approx(np.exp(entropy), rel=1e-4)
    np.testing.assert_allclose(
        field.assignments, autodis_weights(layer, np.array(field.grid)), atol=1e-5
    )
    assert field.temperature == pytest.approx(0.3)
    assert field.usage.drift is None


def test_the_use_of_buckets_is_a_count_and_dead_ones_are_told(
    report: AutoDisReport,
) -> None:
    usage = report.fields["age"].usage
    assert usage is not None
    x = (TRAIN["age"] - 38.0) / 12.0
    counts = np.bincount(np.digitize(x, AGES.boundaries), minlength=4)
    np.testing.assert_allclose(usage.shares, counts / 2000, atol=1e-6)
    assert usage.dead == (3,)
    assert "1 of 4 bins of buckets are dead" in report.fields["age"].warnings[0]
    assert report.fields["age"].temperature is None


def test_the_path_of_a_linear_field_is_a_point_and_told(report: AutoDisReport) -> None:
    fixed = report.fields["fixed"]
    assert fixed.grid == (7.0,)
    assert fixed.assignments is None and fixed.usage is None
    assert fixed.embedding is not None and fixed.embedding.spread == 0
    (told,) = fixed.warnings
    assert told.startswith("the training split holds one value alone")


def test_the_path_of_autodis_keeps_the_distances_of_its_embeddings(
    report: AutoDisReport, layer: FusedEmbedding
) -> None:
    field = report.fields["price"]
    assert field.embedding is not None and layer.numeric is not None
    encoder, place = layer.numeric.encoder_of("price")
    meta = np.asarray(encoder.meta_embeddings, np.float64)[place]
    points = autodis_weights(layer, np.array(field.grid)) @ meta
    variances = np.linalg.eigvalsh(np.cov(points.T))[::-1]
    shares = variances / variances.sum()
    np.testing.assert_allclose(field.embedding.explained, shares[:2], atol=1e-5)
    along = np.array(field.embedding.path)
    np.testing.assert_allclose(
        (along**2).sum(axis=0) / len(along), variances[:2] * (1 - 1 / len(along)), 1e-4
    )


def test_a_flat_response_is_told_where_clicks_are_not(
    files: dict[str, list[str]],
    layer: FusedEmbedding,
    plan: DiscretizationPlan,
    report: AutoDisReport,
) -> None:
    class Deaf(RawScorer):
        def __init__(self) -> None:
            pass

        def parse(self, serialized: np.ndarray) -> dict[str, Any]:
            return {}

        def constant(self, name: str, value: float, rows: int) -> Any:
            return None

        def score(self, columns: Mapping[str, Any]) -> np.ndarray:
            return np.full(4, 0.25)

    deaf = inspect_fields(SPEC, plan, files, Deaf(), FieldEncoders(layer, plan))
    assert not [w for w in report.fields["price"].warnings if "flat" in w]
    assert [w for w in deaf.fields["price"].warnings if "the response is flat" in w]
    assert not [w for w in deaf.fields["age"].warnings if "flat" in w]


def test_equal_data_do_not_drift_and_others_do(
    files: dict[str, list[str]],
    model: str,
    layer: FusedEmbedding,
    plan: DiscretizationPlan,
    report: AutoDisReport,
    tmp_path: pathlib.Path,
) -> None:
    scorer, encoders = RawScorer(model), FieldEncoders(layer, plan)

    def drift(before: AutoDisReport, now: dict[str, list[str]]) -> dict[str, Any]:
        found = inspect_fields(SPEC, plan, now, scorer, encoders, before)
        return {n: f.usage and f.usage.drift for n, f in found.fields.items()}

    assert drift(report, files) == {"price": 0, "age": 0, "fixed": None}

    cheap = {**TRAIN, "cents": np.minimum(TRAIN["cents"], 4.0)}
    later = {**files, "train": write(cheap, tmp_path / "later")}
    found = drift(report, later)
    assert found["age"] == 0

    def bins(split: Columns) -> np.ndarray:
        known = split["cents"][~np.isnan(split["cents"])].astype(np.float64)
        missing = np.isnan(split["cents"]).mean()
        weights = autodis_weights(layer, known).mean(axis=0)
        return np.append(weights * (1 - missing), missing)

    p, q = bins(TRAIN), bins(cheap)
    middle = (p + q) / 2
    expected = (p * np.log2(p / middle) + q * np.log2(q / middle)).sum() / 2
    assert expected > 0.01
    # The report before holds 201 ranks, not all rows.
    assert found["price"] == pytest.approx(expected, rel=0.1)

    other = report.model_copy(update={"spec_name": "other"})
    assert drift(other, later)["price"] is None


def test_a_model_without_embeddings_still_has_responses(
    files: dict[str, list[str]],
    model: str,
    plan: DiscretizationPlan,
    report: AutoDisReport,
) -> None:
    found = inspect_fields(
        SPEC, plan, files, RawScorer(model), FieldEncoders(None, plan)
    )
    price = found.fields["price"]
    assert price.response == report.fields["price"].response
    assert price.assignments is None
    assert price.usage is None and price.embedding is None


@pytest.mark.parametrize("value", [None, 3.0])
def test_raw_columns_are_parsed_as_the_signature_takes_them(
    model: str, value: float | None
) -> None:
    example = tf.train.Example()
    if value is not None:
        example.features.feature["cents"].float_list.value.append(value)
    parsed = RawScorer(model).parse(np.array([example.SerializeToString()], object))
    assert parsed["item"].numpy().tolist() == [b""]
    assert parsed["age"].numpy().tolist() == [MISSING_INT64]
    assert parsed["tags"].shape == (1, 0)
    np.testing.assert_array_equal(parsed["cents"], [np.nan if value is None else value])


def test_a_model_without_the_signature_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DataError, match="predict_raw"):
        RawScorer(str(tmp_path))


def test_encoders_are_kept_apart_from_the_tables_of_ids(tmp_path: pathlib.Path) -> None:
    inputs = [
        ModelInput("user", "id", "user", "user", 5000),
        ModelInput("price", "value", "item", numeric=AUTODIS),
        ModelInput("plain", "value", "item"),
        ModelInput("age", "value", "user", numeric=AGES),
        ModelInput(
            "line",
            "value",
            "user",
            numeric=PiecewiseLinearEncoding(boundaries=(0.0, 1.0)),
        ),
        ModelInput("wave", "value", "user", numeric=PeriodicEncoding()),
        ModelInput("bare", "value", "item", numeric=LinearEncoding()),
    ]
    params = {"embedding_dim": 8, "hidden_units": [4]}
    model = registry.build("deepfm", inputs, params)
    write_numeric_fields(model, tmp_path / "run")

    fields = read_numeric_fields(tmp_path / "run")
    assert fields is not None
    (path,) = (tmp_path / "run").iterdir()
    assert path.stat().st_size < 5000 * 8 * 4
    given = {i.name: np.array([0.3, -1.0, np.nan], np.float32) for i in inputs}
    given["plain"] = np.nan_to_num(given["plain"])
    given["user"] = np.array([1, 2, 3])
    (embedding,) = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, FusedEmbedding) and layer.width == 8
    ]
    np.testing.assert_allclose(
        fields(given), np.asarray(embedding(given))[:, 1:], rtol=1e-6
    )


@pytest.mark.parametrize("numeric", [True, False])
def test_models_without_embeddings_of_numbers_leave_nothing(
    tmp_path: pathlib.Path, numeric: bool
) -> None:
    if numeric:
        inputs = [ModelInput("price", "value", "item", numeric=LinearEncoding())]
        model = registry.build("logistic_regression", inputs, {})
    else:
        inputs = [ModelInput(n, "id", "user", n, 9) for n in "ab"]
        model = registry.build("deepfm", inputs, {})
    write_numeric_fields(model, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert read_numeric_fields(tmp_path) is None


class Inputs:
    """Artifacts of the executor in a folder."""

    def __init__(
        self, folder: pathlib.Path, files: dict[str, list[str]], model: str
    ) -> None:
        self.examples = standard_artifacts.Examples()
        self.examples.uri = str(pathlib.Path(files["train"][0]).parents[1])
        self.examples.split_names = artifact_utils.encode_split_names([*files])
        self.model = standard_artifacts.Model()
        self.model.uri = str(pathlib.Path(model).parent)
        self.plan, self.model_run = Plan(), standard_artifacts.ModelRun()
        self.report = artifacts.AutoDisReport()
        for name in ("plan", "model_run", "report"):
            (folder / name).mkdir(parents=True)
            getattr(self, name).uri = str(folder / name)

    def run(self, previous: list[types.Artifact] | None = None) -> AutoDisReport:
        Executor().Do(
            {
                "examples": [self.examples],
                "model": [self.model],
                "plan": [self.plan],
                "model_run": [self.model_run],
                **({} if previous is None else {"previous_report": previous}),
            },
            {"report": [self.report]},
            {"feature_spec": SPEC.model_dump_json()},
        )
        return AutoDisReport.read(self.report.uri)


def test_the_component_leaves_a_report_that_the_next_one_compares_with(
    files: dict[str, list[str]],
    model: str,
    plan: DiscretizationPlan,
    tmp_path: pathlib.Path,
) -> None:
    trained = registry.build(
        "deepfm",
        SPEC.model_inputs({"item": 3, "tags": 1}, plan.encodings()),
        {"embedding_dim": 4, "hidden_units": [4], "embedding_stddev": 0.3},
    )
    first = Inputs(tmp_path / "1", files, model)
    plan.write(pathlib.Path(first.plan.uri))
    write_numeric_fields(trained, pathlib.Path(first.model_run.uri))
    found = first.run()
    assert list(found.fields) == ["price", "age", "fixed"]
    usage = found.fields["age"].usage
    assert usage is not None and usage.drift is None

    second = Inputs(tmp_path / "2", files, model)
    second.plan, second.model_run = first.plan, first.model_run
    found = second.run([first.report])
    usage = found.fields["age"].usage
    assert usage is not None and usage.drift == 0
    assert second.run([]).fields["age"].response == found.fields["age"].response


def test_a_plan_of_another_spec_is_refused(
    files: dict[str, list[str]],
    model: str,
    plan: DiscretizationPlan,
    tmp_path: pathlib.Path,
) -> None:
    inputs = Inputs(tmp_path, files, model)
    plan.model_copy(update={"spec_digest": "0"}).write(pathlib.Path(inputs.plan.uri))
    with pytest.raises(ConfigError, match="made for other numeric features"):
        inputs.run()


class Store:
    """An ML Metadata store with examples and their reports."""

    def __init__(self) -> None:
        config = metadata_store_pb2.ConnectionConfig()
        config.fake_database.SetInParent()
        self.store = metadata_store.MetadataStore(config)
        self._execution_type = self.store.put_execution_type(
            metadata_store_pb2.ExecutionType(name="NumericInspector")
        )
        self._types = {
            name: self.store.put_artifact_type(
                metadata_store_pb2.ArtifactType(name=name)
            )
            for name in ("Examples", "AutoDisReport")
        }

    def _artifact(self, type_name: str, fingerprint: str = "") -> types.Artifact:
        proto = metadata_store_pb2.Artifact(type_id=self._types[type_name])
        if fingerprint:
            proto.custom_properties["input_fingerprint"].string_value = fingerprint
        (number,) = self.store.put_artifacts([proto])
        made = (
            standard_artifacts.Examples()
            if type_name == "Examples"
            else artifacts.AutoDisReport()
        )
        made.id = number
        return made

    def examples(self, fingerprint: str) -> types.Artifact:
        return self._artifact("Examples", fingerprint)

    def report(self, examples: types.Artifact) -> types.Artifact:
        report = self._artifact("AutoDisReport")
        (execution,) = self.store.put_executions(
            [metadata_store_pb2.Execution(type_id=self._execution_type)]
        )
        event = metadata_store_pb2.Event
        for artifact, kind, key in (
            (examples, event.INPUT, "examples"),
            (report, event.OUTPUT, "report"),
        ):
            made = event(artifact_id=artifact.id, execution_id=execution, type=kind)
            made.path.steps.add().key = key
            made.path.steps.add().index = 0
            self.store.put_events([made])
        return report


def test_the_report_before_is_the_latest_of_other_data() -> None:
    store = Store()
    january, february = store.examples("january"), store.examples("february")
    again = store.examples("february")
    reports = [store.report(january), store.report(january), store.report(february)]

    def resolved(examples: types.Artifact) -> list[int]:
        found = PreviousReport().resolve_artifacts(
            store.store, {"examples": [examples], "previous_report": reports}
        )
        return [artifact.id for artifact in found["previous_report"]]

    assert resolved(february) == [reports[1].id]
    assert resolved(again) == [reports[1].id]  # the same data, ingested again
    assert resolved(january) == [reports[2].id]
    assert resolved(store.examples("march")) == [reports[2].id]
    assert (
        PreviousReport().resolve_artifacts(
            store.store, {"examples": [january], "previous_report": reports[:2]}
        )["previous_report"]
        == []
    )
