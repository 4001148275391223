"""The evaluator on real artifacts: scores, slices, decisions, files."""

import gzip
import itertools
import json
import math
import pathlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sklearn.metrics
import tensorflow as tf
import tensorflow_model_analysis as tfma
from apache_beam.options.pipeline_options import PipelineOptions
from tfx import types
from tfx.components.evaluator import constants
from tfx.components.util import model_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils, channel_utils, standard_artifacts
from tfx_bsl.tfxio import tf_example_record

from clickwright.components.evaluation import slice_batches
from clickwright.components.evaluation.component import ModelEvaluator
from clickwright.components.evaluation.eval_config import eval_config
from clickwright.components.evaluation.executor import Executor
from clickwright.components.evaluation.metrics.gauc import GAUC
from clickwright.components.evaluation.metrics.scored_rows import ScoredRows
from clickwright.components.evaluation.off_policy_gate import OffPolicyGate
from clickwright.components.evaluation.result import read_evaluation
from clickwright.components.evaluation.row_columns import RowColumns
from clickwright.components.evaluation.score_files import read_batches
from clickwright.components.evaluation.scorer import Scorer
from clickwright.components.evaluation.tfma_files import read_split
from clickwright.components.evaluation.thresholds import Thresholds
from clickwright.schemas import strict_yaml
from clickwright.schemas.errors import ConfigError, DataError
from clickwright.schemas.spec import FeatureSpec

CONTENT = {
    "name": "tiny",
    "labels": {"click": {"presence": "optional"}},
    "features": {
        "user": {"kind": "categorical", "role": "user", "dtype": "int64"},
        "device": {"kind": "categorical", "role": "context", "column": "dev"},
        "hour": {"kind": "categorical", "role": "context", "dtype": "int64"},
        "logit": {"kind": "numeric", "role": "context"},
    },
    "split": {"kind": "given"},
    "group_key": "user",
    "weight": "w",
    "slices": [["device"], ["device", "hour"]],
}
Columns = dict[str, Any]
Splits = dict[str, Columns]
Models = dict[str, types.Artifact]
Run = tuple[types.Artifact, types.Artifact]

SPEC = strict_yaml.parse(FeatureSpec, CONTENT, "features.yaml")
DEVICES = ["phone", "tablet", "desktop"]


def make_rows(count: int, seed: int) -> Columns:
    """Columns of a log whose true click probability is the sigmoid of `logit`."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(-1.0, 1.0, count).astype(np.float32)
    return {
        "click": (rng.random(count) < 1 / (1 + np.exp(-logit))).astype(int),
        "logit": logit,
        "user": rng.integers(0, 20, count),
        "dev": rng.choice(DEVICES, count, p=[0.6, 0.3, 0.1]),
        "hour": rng.integers(0, 2, count),
        "w": rng.choice([0.5, 1.0, 2.0], count).astype(np.float32),
    }


def to_example(row: dict[str, Any]) -> bytes:
    features = {}
    for name, value in row.items():
        if value is None:
            continue
        if isinstance(value, list):
            kind = {"int64_list": tf.train.Int64List(value=value)}
        elif isinstance(value, str):
            kind = {"bytes_list": tf.train.BytesList(value=[value.encode()])}
        elif isinstance(value, float | np.floating):
            kind = {"float_list": tf.train.FloatList(value=[value])}
        else:
            kind = {"int64_list": tf.train.Int64List(value=[value])}
        features[name] = tf.train.Feature(**kind)
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString()


def write_split(folder: pathlib.Path, columns: Columns, shards: int = 2) -> None:
    folder.mkdir(parents=True)
    records = [
        to_example(dict(zip(columns, values, strict=True)))
        for values in zip(*columns.values(), strict=True)
    ]
    for shard in range(shards):
        path = folder / f"data_tfrecord-{shard:05d}-of-{shards:05d}.gz"
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for record in records[shard::shards]:
                writer.write(record)


class TinyModel(tf.Module):
    """Scores sigmoid(slope * feature); a model small enough to write by hand."""

    def __init__(self, slope: float, feature: str = "logit") -> None:
        super().__init__()
        self.slope = tf.Variable(slope, dtype=tf.float32)
        self.feature = feature

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def serve(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(
            examples, {self.feature: tf.io.FixedLenFeature([], tf.float32)}
        )
        return {"probability": tf.sigmoid(self.slope * parsed[self.feature])}


@pytest.fixture(scope="module")
def rows() -> Splits:
    return {"valid": make_rows(400, 1), "test": make_rows(600, 2)}


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory, rows: Splits) -> types.Artifact:
    return make_examples(tmp_path_factory.mktemp("examples"), rows)


def make_examples(folder: pathlib.Path, splits: Splits) -> types.Artifact:
    artifact = standard_artifacts.Examples()
    artifact.uri = str(folder)
    artifact.split_names = artifact_utils.encode_split_names(["train", *splits])
    artifact.set_int_custom_property("rows_valid", len(splits["valid"]["click"]))
    artifact.set_int_custom_property("rows_test", len(splits["test"]["click"]))
    for split, columns in splits.items():
        write_split(folder / f"Split-{split}", columns)
    return artifact


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """Artifacts: a good model, one that scores the wrong way, one that cannot."""
    made = {}
    for index, (name, module) in enumerate(
        {
            "good": TinyModel(1.0),
            "wrong": TinyModel(-1.0),
            "broken": TinyModel(math.nan),
            "old": TinyModel(1.0, feature="dropped_feature"),
        }.items()
    ):
        artifact = standard_artifacts.Model()
        artifact.uri = str(tmp_path_factory.mktemp(name))
        artifact.id = 10 + index
        path = f"{artifact.uri}/Format-Serving"
        tf.saved_model.save(module, path, {"serving_default": module.serve})
        made[name] = artifact
    return made


BEAM = ("--runner=FnApiRunner", "--sdk_container_image=none")
TWO_PROCESSES = (
    *BEAM,
    "--direct_running_mode=multi_processing",
    "--direct_num_workers=2",
)


def run(
    folder: pathlib.Path,
    examples: types.Artifact,
    model: types.Artifact,
    baseline: types.Artifact | None = None,
    thresholds: dict[str, Any] | None = None,
    spec: FeatureSpec = SPEC,
    beam_arguments: Sequence[str] = BEAM,
    off_policy: str | None = None,
) -> Run:
    """Runs the executor; returns the evaluation and the blessing."""
    evaluation = standard_artifacts.ModelEvaluation()
    evaluation.uri = str(folder / "evaluation")
    blessing = standard_artifacts.ModelBlessing()
    blessing.uri = str(folder / "blessing")
    inputs = {"examples": [examples], "model": [model]}
    if baseline:
        inputs["baseline_model"] = [baseline]
    parsed = strict_yaml.parse(Thresholds, thresholds or {}, "run.yaml")
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=list(beam_arguments),
        tmp_dir=str(folder / "tmp"),
        unique_id="1",
    )
    Executor(context).Do(
        inputs,
        {"evaluation": [evaluation], "blessing": [blessing]},
        {
            "feature_spec": spec.model_dump_json(),
            "thresholds": parsed.model_dump_json(exclude_none=True),
            "off_policy": off_policy,
        },
    )
    return evaluation, blessing


def expected(
    columns: Columns, slope: float = 1.0, chosen: Any = None
) -> dict[str, float]:
    chosen = slice(None) if chosen is None else chosen
    label, weight = columns["click"][chosen], columns["w"][chosen]
    score = tf.sigmoid(np.float32(slope) * columns["logit"][chosen]).numpy()
    rate = np.average(label, weights=weight)
    entropy = -rate * np.log(rate) - (1 - rate) * np.log(1 - rate)
    loss = sklearn.metrics.log_loss(
        label, score.astype(np.float64), sample_weight=weight
    )
    rows = ScoredRows.sort(label, score, weight, columns["user"][chosen])
    return {
        "auc": sklearn.metrics.roc_auc_score(label, score, sample_weight=weight),
        "logloss": loss,
        "ne": loss / entropy,
        "pcoc": np.average(score, weights=weight) / rate,
        "gauc": GAUC("user").values(rows)[0],  # proven in its own test
        "rows": len(label),
    }


def assert_metrics(found: Mapping[str, float], wanted: Mapping[str, float]) -> None:
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-6), name


@pytest.fixture(scope="module")
def good_run(
    tmp_path_factory: pytest.TempPathFactory, examples: types.Artifact, models: Models
) -> Run:
    """The good model keeps all rules, also against one just as good."""
    return run(
        tmp_path_factory.mktemp("good_run"),
        examples,
        models["good"],
        baseline=models["good"],
        thresholds={
            "auc": {"min": 0.6, "max_drop": 0.0},
            "pcoc": {"min": 0.5, "max": 2.0},
            "rows": {"min": 600, "max": 600},
        },
    )


@pytest.fixture(scope="module")
def bad_run(
    tmp_path_factory: pytest.TempPathFactory, examples: types.Artifact, models: Models
) -> Run:
    """The wrong model breaks all rules, those against the good one included."""
    return run(
        tmp_path_factory.mktemp("bad_run"),
        examples,
        models["wrong"],
        baseline=models["good"],
        thresholds={
            "auc": {"min": 0.6, "max_drop": 0.002},
            "logloss": {"max": 0.1, "max_rise": 0.01},
        },
    )


@pytest.fixture(scope="module")
def distributed_run(
    tmp_path_factory: pytest.TempPathFactory, examples: types.Artifact, models: Models
) -> Run:
    """Two worker processes, a blessed model that cannot score, and no rule."""
    return run(
        tmp_path_factory.mktemp("distributed_run"),
        examples,
        models["good"],
        baseline=models["old"],
        beam_arguments=TWO_PROCESSES,
    )


@pytest.mark.parametrize("name", ["good_run", "distributed_run"])
def test_metrics_of_both_splits_are_those_of_scikit_learn(
    name: str, request: pytest.FixtureRequest, rows: Splits
) -> None:
    evaluation, _ = request.getfixturevalue(name)

    result = read_evaluation(evaluation.uri)

    assert sorted(result.splits) == ["test", "valid"]
    for split, columns in rows.items():
        assert_metrics(result.splits[split].overall, expected(columns))
    assert 0 <= result.splits["test"].overall["ece"] < 0.1
    assert result.splits["test"].overall["gauc_groups_used"] == 20
    bins = result.splits["test"].calibration
    assert sum(b.rows for b in bins) == pytest.approx(rows["test"]["w"].sum())
    assert all(a.upper < b.lower for a, b in itertools.pairwise(bins))


@pytest.mark.parametrize("name", ["good_run", "distributed_run"])
def test_slices_are_the_metrics_of_the_filtered_rows(
    name: str, request: pytest.FixtureRequest, rows: Splits
) -> None:
    evaluation, _ = request.getfixturevalue(name)
    test = rows["test"]
    wanted: dict[tuple[tuple[str, str], ...], Any] = {
        (("device", d),): test["dev"] == d for d in DEVICES
    }
    for d, h in itertools.product(DEVICES, (0, 1)):
        wanted[("device", d), ("hour", str(h))] = (test["dev"] == d) & (
            test["hour"] == h
        )

    slices = read_evaluation(evaluation.uri).splits["test"].slices

    found = {s.slice: s.metrics for s in slices}
    assert set(found) == set(wanted)
    for key, chosen in wanted.items():
        assert_metrics(found[key], expected(test, chosen=chosen))
    counts = [s.metrics["rows"] for s in slices]
    assert counts == sorted(counts, reverse=True)


def test_a_model_that_would_earn_less_than_the_log_is_not_blessed(
    tmp_path: pathlib.Path, examples: types.Artifact, models: Models
) -> None:
    """Even choices among three, judged by what the two models would have taken."""
    columns = make_rows(3 * 2000, 3)
    shown = np.random.default_rng(4).integers(3, size=2000)
    table = pa.table(columns | {"decision": np.repeat(np.arange(2000), 3)})
    chosen = np.ravel(shown[:, None] == np.arange(3))
    table = table.append_column("chosen", pa.array(chosen))
    table = table.append_column("propensity", pa.array(np.full(6000, 1 / 3)))
    pq.write_table(table, tmp_path / "choices.parquet")
    gate = OffPolicyGate(
        log=str(tmp_path / "choices.parquet"), reward="click", max_drop=0.0
    ).model_dump_json()

    runs = {
        name: run(
            tmp_path / name,
            examples,
            models[name],
            thresholds={"rows": {"min": 1}},
            off_policy=gate,
        )
        for name in ("good", "wrong")
    }

    clicks, logit = columns["click"], columns["logit"].reshape(-1, 3)
    for name, (evaluation, blessing) in runs.items():
        result = read_evaluation(evaluation.uri)
        assert result.off_policy is not None
        best = logit.argmax(axis=1) if name == "good" else logit.argmin(axis=1)
        taken = clicks.reshape(-1, 3)[np.arange(2000), shown]
        found = result.off_policy.estimate("snips")
        assert found is not None
        assert found.value == pytest.approx(taken[best == shown].mean())
        assert model_utils.is_model_blessed(blessing) == (name == "good")
        assert result.blessed == (name == "good")
        said = "; ".join(result.failures)
        assert ("below the" in said and "of the log" in said) == (name == "wrong")


def test_a_model_that_keeps_all_rules_is_blessed(good_run: Run, rows: Splits) -> None:
    evaluation, blessing = good_run

    result = read_evaluation(evaluation.uri)

    assert result.failures == ()
    assert result.blessed
    assert result.baseline is not None
    assert_metrics(result.baseline, expected(rows["test"]))
    assert tfma.load_validation_result(evaluation.uri).validation_ok
    assert model_utils.is_model_blessed(blessing)
    assert pathlib.Path(blessing.uri, constants.BLESSED_FILE_NAME).exists()
    assert blessing.get_int_custom_property("current_model_id") == 10
    assert "good" in blessing.get_string_custom_property("current_model")
    assert blessing.get_int_custom_property("baseline_model_id") == 10
    assert "good" in blessing.get_string_custom_property("baseline_model")


def test_broken_rules_are_told_in_words(bad_run: Run, rows: Splits) -> None:
    evaluation, blessing = bad_run

    result = read_evaluation(evaluation.uri)

    auc, loss = (result.splits["test"].overall[m] for m in ("auc", "logloss"))
    drop = expected(rows["test"])["auc"] - auc
    rise = loss - expected(rows["test"])["logloss"]
    assert_metrics(result.splits["test"].overall, expected(rows["test"], slope=-1.0))
    assert sorted(result.failures) == [
        f"test auc {auc:.6g} is below the floor 0.6",
        f"test auc lies {drop:.6g} below that of the blessed model; 0.002 is allowed",
        f"test logloss {loss:.6g} is above the limit 0.1",
        f"test logloss lies {rise:.6g} above that of the blessed model; 0.01 is allowed",
    ]
    assert not result.blessed
    assert not tfma.load_validation_result(evaluation.uri).validation_ok
    assert not model_utils.is_model_blessed(blessing)
    assert pathlib.Path(blessing.uri, constants.NOT_BLESSED_FILE_NAME).exists()
    assert blessing.get_int_custom_property("current_model_id") == 11


def test_tfma_loads_what_was_written(bad_run: Run, rows: Splits) -> None:
    evaluation, _ = bad_run

    for folder, split in (("", "test"), ("valid", "valid")):
        loaded = tfma.load_eval_result(
            f"{evaluation.uri}/{folder}", model_name=tfma.CANDIDATE_KEY
        )
        metrics = dict(loaded.slicing_metrics)[()][""][""]
        assert metrics["auc"]["doubleValue"] == pytest.approx(
            expected(rows[split], slope=-1.0)["auc"]
        )
        plots = dict(loaded.plots)[()][""][""]
        assert len(plots["calibrationHistogramBuckets"]["buckets"]) == 15
        assert len(loaded.slicing_metrics) == 1 + 3 + 6
        assert [m.name for m in loaded.config.model_specs] == ["candidate", "baseline"]


def test_a_blessed_model_that_cannot_score_the_rows_is_named(
    distributed_run: Run,
) -> None:
    result = read_evaluation(distributed_run[0].uri)

    assert result.baseline is None
    assert result.baseline_problem is not None
    assert "cannot score the examples" in result.baseline_problem
    assert "dropped_feature" in result.baseline_problem


def test_nothing_is_blessed_without_a_rule(distributed_run: Run) -> None:
    evaluation, blessing = distributed_run

    result = read_evaluation(evaluation.uri)

    assert result.failures == ("no threshold is configured, so nothing can be blessed",)
    assert blessing.get_int_custom_property("blessed") == 0


def test_a_rule_is_broken_by_no_number_and_by_no_comparison(
    tmp_path: pathlib.Path, examples: types.Artifact, models: Models
) -> None:
    evaluation, _ = run(
        tmp_path,
        examples,
        models["broken"],
        baseline=models["old"],
        thresholds={"auc": {"min": 0.0, "max_drop": 1.0}},
    )

    result = read_evaluation(evaluation.uri)

    assert math.isnan(result.splits["test"].overall["auc"])
    assert not result.blessed
    number, comparison = result.failures
    assert number.startswith("test auc is not a number")
    assert comparison.startswith("the comparison with the blessed model fails: ")


def test_strings_may_name_the_group_and_values_may_be_missing(
    tmp_path: pathlib.Path, models: Models, rows: Splits
) -> None:
    content = json.loads(json.dumps(CONTENT))
    content["features"]["user"]["dtype"] = "string"
    del content["weight"]
    spec = strict_yaml.parse(FeatureSpec, content, "features.yaml")
    test = {name: list(column) for name, column in rows["test"].items()}
    test["user"] = [f"user {u}" for u in test["user"]]
    test["click"][0] = None
    test["dev"][1] = None
    valid = {name: column[2:40] for name, column in test.items()}

    evaluation, blessing = run(
        tmp_path,
        make_examples(tmp_path / "examples", {"valid": valid, "test": test}),
        models["good"],
        thresholds={"auc": {"min": 0.6, "max_drop": 0.002}},
        spec=spec,
    )

    result = read_evaluation(evaluation.uri)
    kept = {name: column[1:] for name, column in rows["test"].items()}
    kept["w"] = np.ones(len(kept["click"]))
    assert_metrics(result.splits["test"].overall, expected(kept))
    by_device = [
        s.metrics["rows"] for s in result.splits["test"].slices if len(s.slice) == 1
    ]
    assert sum(by_device) == len(kept["click"]) - 1
    assert result.blessed  # the first model has nothing to be compared with
    assert result.baseline is None
    assert not blessing.has_custom_property("baseline_model_id")


def test_only_the_largest_slices_are_kept_and_gauc_needs_groups(
    tmp_path: pathlib.Path,
    examples: types.Artifact,
    models: Models,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slice_batches, "MOST_SLICES", 2)
    content = {k: v for k, v in CONTENT.items() if k != "group_key"}

    evaluation, _ = run(
        tmp_path,
        examples,
        models["good"],
        spec=strict_yaml.parse(FeatureSpec, content, "features.yaml"),
    )

    test = read_evaluation(evaluation.uri).splits["test"]
    devices = [dict(s.slice)["device"] for s in test.slices if len(s.slice) == 1]
    assert devices == ["phone", "tablet"]
    assert len(test.slices) == 4
    assert math.isnan(test.overall["gauc"])
    assert test.overall["auc"] > 0.6


def test_stock_tfma_finds_our_metrics_and_the_same_values(
    tmp_path: pathlib.Path,
    examples: types.Artifact,
    models: Models,
    rows: Splits,
    good_run: Run,
) -> None:
    config = tfma.utils.update_eval_config_with_defaults(
        eval_config(SPEC, Thresholds())
    )
    model = tfma.default_eval_shared_model(
        f"{models['good'].uri}/Format-Serving", eval_config=config
    )
    source = tf_example_record.TFExampleRecord(
        f"{examples.uri}/Split-test/*",
        raw_record_column_name=tfma.ARROW_INPUT_COLUMN,
        telemetry_descriptors=["test"],
    )
    with beam.Pipeline(options=PipelineOptions([*BEAM])) as pipeline:
        _ = (
            pipeline
            | source.BeamSource()
            | tfma.ExtractEvaluateAndWriteResults(
                eval_config=config,
                eval_shared_model=model,
                output_path=str(tmp_path),
            )
        )

    stock = read_split(str(tmp_path), "", SPEC)

    ours = read_evaluation(good_run[0].uri).splits["test"]
    assert stock.overall == pytest.approx(ours.overall)
    assert len(stock.slices) == len(ours.slices) == 9
    for theirs, own in zip(stock.slices, ours.slices, strict=True):
        assert theirs.slice == own.slice
        assert theirs.metrics == pytest.approx(own.metrics)
    assert len(stock.calibration) == len(ours.calibration)


def test_a_split_without_a_labelled_row_is_refused(
    tmp_path: pathlib.Path, models: Models
) -> None:
    splits = {
        "valid": make_rows(30, 1),
        "test": {**make_rows(30, 2), "click": [None] * 30},
    }
    examples = make_examples(tmp_path / "examples", splits)

    with pytest.raises(DataError, match="`test` holds no row with a label") as caught:
        run(tmp_path, examples, models["good"])

    assert caught.value.where.endswith("Split-test")


def test_a_damaged_record_is_named_from_another_process(
    tmp_path: pathlib.Path, models: Models, rows: Splits
) -> None:
    examples = make_examples(tmp_path / "examples", rows)
    path = tmp_path / "examples/Split-valid/data_tfrecord-00000-of-00002.gz"
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[100] ^= 0xFF
    path.write_bytes(gzip.compress(bytes(content)))

    with pytest.raises(DataError, match="damaged after row 0") as caught:
        run(tmp_path, examples, models["good"], beam_arguments=TWO_PROCESSES)

    assert caught.value.where == str(path)
    assert not (tmp_path / "blessing").exists()


@pytest.mark.parametrize("more", [0, 30], ids=["between records", "within one"])
def test_a_file_cut_short_is_named(tmp_path: pathlib.Path, more: int) -> None:
    write_split(tmp_path / "split", make_rows(50, 1), shards=1)
    (path,) = (tmp_path / "split").iterdir()
    content = gzip.decompress(path.read_bytes())
    first_record = 16 + int.from_bytes(content[:8], "little")
    packed = zlib.compressobj(wbits=31)
    kept = packed.compress(content[: first_record + more])
    path.write_bytes(kept + packed.flush(zlib.Z_FULL_FLUSH))

    with pytest.raises(DataError, match="damaged") as caught:
        list(read_batches(str(path)))

    assert caught.value.where == str(path)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("click", 2, "`click` must be 0 or 1. Received: 2"),
        ("w", -1.0, r"`w` must be a number of 0 or more. Received: -1\.0"),
        ("w", math.nan, "`w` must be a number of 0 or more. Received: nan"),
        ("w", None, "one value of `w`. Received: a row with 0 values"),
        ("user", None, "one value of `user`"),
        ("hour", [1, 2], "at most one value of `hour`. Received: a row with 2"),
        ("hour", "noon", "The examples do not fit the spec: .*hour"),
    ],
)
def test_bad_values_are_refused(column: str, value: Any, message: str) -> None:
    columns = {**make_rows(3, 1), column: [value] * 3}
    serialized = [
        to_example(dict(zip(columns, row, strict=True)))
        for row in zip(*columns.values(), strict=True)
    ]

    with pytest.raises(DataError, match=message):
        RowColumns.of(SPEC).parse(serialized)


def test_a_model_without_the_signature_is_refused(tmp_path: pathlib.Path) -> None:
    module = TinyModel(1.0)
    tf.saved_model.save(module, str(tmp_path / "model"), {"other": module.serve})

    with pytest.raises(DataError, match="lacks the signature `serving_default`"):
        Scorer(str(tmp_path / "model"))


def test_a_model_that_drops_rows_is_refused(tmp_path: pathlib.Path) -> None:
    class Dropping(TinyModel):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
        def serve(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"probability": tf.zeros_like(examples[1:], tf.float32)}

    module = Dropping(1.0)
    path = str(tmp_path / "model")
    tf.saved_model.save(module, path, {"serving_default": module.serve})

    with pytest.raises(DataError, match="one `probability` a row. Received: 1 for 2"):
        Scorer(path).score(tf.constant([b"", b""]))


def test_a_folder_that_is_no_model_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DataError, match="cannot be loaded") as caught:
        Scorer(str(tmp_path))

    assert caught.value.where == str(tmp_path)


def test_an_absent_evaluation_is_an_error_that_names_the_file(
    tmp_path: pathlib.Path,
) -> None:
    with pytest.raises(DataError, match=r"evaluation\.json"):
        read_evaluation(str(tmp_path))


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        ({"acu": {"min": 0.5}}, r"`acu`: unknown key. Did you mean `auc`\?"),
        ({"auc": {}}, "give at least one of `min`, `max`, `max_drop`"),
        ({"auc": {"min": 0.9, "max": 0.1}}, "`min` must not exceed `max`"),
        ({"pcoc": {"max_drop": 0.1}}, "`pcoc.max_drop`: unknown key"),
        ({"logloss": {"max_rise": -1}}, "greater than or equal to 0"),
    ],
)
def test_bad_thresholds_are_refused(thresholds: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        strict_yaml.parse(Thresholds, thresholds, "run.yaml: evaluation.thresholds")


def test_a_rule_for_gauc_needs_a_group_key() -> None:
    content = {k: v for k, v in CONTENT.items() if k != "group_key"}
    spec = strict_yaml.parse(FeatureSpec, content, "features.yaml")
    thresholds = strict_yaml.parse(Thresholds, {"gauc": {"min": 0.5}}, "run.yaml")

    with pytest.raises(ConfigError, match="no `group_key`"):
        eval_config(spec, thresholds)


def test_slices_of_numbers_are_refused() -> None:
    content = {**CONTENT, "slices": [["logit"]]}
    spec = strict_yaml.parse(FeatureSpec, content, "features.yaml")

    with pytest.raises(ConfigError, match="`logit`, which is numeric"):
        eval_config(spec, Thresholds())


def test_the_component_has_the_channels_of_the_stock_evaluator() -> None:
    component = ModelEvaluator(
        examples=channel_utils.as_channel([standard_artifacts.Examples()]),
        model=channel_utils.as_channel([standard_artifacts.Model()]),
        baseline_model=channel_utils.as_channel([standard_artifacts.Model()]),
        feature_spec=SPEC,
        thresholds=Thresholds(),
    )

    outputs = component.outputs
    assert outputs["evaluation"].type is standard_artifacts.ModelEvaluation
    assert outputs["blessing"].type is standard_artifacts.ModelBlessing
    assert json.loads(component.exec_properties["thresholds"]) == {}
    stored = FeatureSpec.model_validate_json(component.exec_properties["feature_spec"])
    assert stored == SPEC
