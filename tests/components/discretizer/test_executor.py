"""The Discretizer on files of tf.Examples."""

import json
import logging
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from numeric_spec import numeric_spec
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx import types
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils, channel_utils, standard_artifacts
from tfx.utils import io_utils
from tfx_bsl.coders import example_coder

from clickwright.components.discretizer import artifacts, executor
from clickwright.components.discretizer.component import Discretizer
from clickwright.components.discretizer.executor import Executor
from clickwright.components.discretizer.plan_of import plan_of
from clickwright.schemas.discretization_plan import DiscretizationPlan
from clickwright.schemas.errors import ClickwrightError, ConfigError, DataError
from clickwright.schemas.metadata import to_schema
from clickwright.schemas.spec import FeatureSpec

ROWS = 24_000
BEAM = ("--runner=FnApiRunner", "--sdk_container_image=none")
TWO_PROCESSES = (
    *BEAM,
    "--direct_running_mode=multi_processing",
    "--direct_num_workers=2",
)
SPEC = numeric_spec(
    {
        "price": {},
        "age": {"dtype": "int64", "presence": "optional"},
        "again": {"column": "age", "dtype": "int64", "presence": "optional"},
        "flag": {"dtype": "int64"},
    },
    weight="w",
)
Columns = dict[str, Any]


def make_columns() -> Columns:
    rng = np.random.default_rng(0)
    age = rng.integers(18, 90, ROWS).astype(float)
    age[rng.random(ROWS) < 0.2] = np.nan
    return {
        "price": rng.lognormal(3, 2, ROWS).astype(np.float32),
        "age": age,
        "flag": rng.integers(0, 2, ROWS).astype(float),
        "w": rng.choice([0.0, 0.5, 2.0], ROWS).astype(np.float32),
        "click": rng.integers(0, 2, ROWS).astype(float),
    }


COLUMNS = make_columns()


def write_examples(
    folder: pathlib.Path,
    columns: Columns,
    spec: FeatureSpec = SPEC,
    shards: int = 3,
    types_: Mapping[str, pa.DataType] | None = None,
) -> pathlib.Path:
    """Writes `Split-train`; NaN is absent. Other types than the spec's are possible."""
    target = folder / "Split-train"
    target.mkdir(parents=True)
    arrow = {"int64": pa.int64(), "float32": pa.float32(), "string": pa.large_binary()}
    wanted = {n: arrow[c.dtype] for n, c in spec.columns().items()} | dict(types_ or {})
    arrays = {}
    for name, values in columns.items():
        if isinstance(values, list):
            arrays[name] = pa.array(values, pa.large_list(wanted[name]))
            continue
        there = ~np.isnan(values)
        ends = np.concatenate([[0], np.cumsum(there)])
        flat = pa.array(values[there]).cast(pa.float64())
        if pa.types.is_large_binary(wanted[name]):
            flat = flat.cast(pa.int64()).cast(pa.string())
        lists = pa.LargeListArray.from_arrays(
            pa.array(ends, pa.int64()), flat.cast(wanted[name])
        )
        arrays[name] = lists
    batch = pa.RecordBatch.from_pydict(arrays)
    records = example_coder.RecordBatchToExamples(batch)
    for shard, part in enumerate(np.array_split(np.arange(len(records)), shards)):
        path = target / f"data_tfrecord-{shard:05d}-of-{shards:05d}.gz"
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for i in part:
                writer.write(records[i])
    return folder


def count_statistics(
    folder: pathlib.Path, spec: FeatureSpec | None = SPEC
) -> statistics_pb2.DatasetFeatureStatisticsList:
    """What StatisticsGen would count, with the schema or without."""
    schema = None if spec is None else to_schema(spec)
    batches = []
    decoder = example_coder.ExamplesToRecordBatchDecoder(
        None if schema is None else schema.SerializeToString()
    )
    for path in sorted((folder / "Split-train").iterdir()):
        records = list(tf.data.TFRecordDataset(str(path), "GZIP").as_numpy_iterator())
        batches.append(decoder.DecodeBatch(records))
    table = pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
    return stats_impl.generate_statistics_in_memory(
        table, tfdv.StatsOptions(schema=schema)
    )


def inputs(
    folder: pathlib.Path,
    examples_folder: pathlib.Path,
    spec: FeatureSpec = SPEC,
    statistics: statistics_pb2.DatasetFeatureStatisticsList | None = None,
) -> dict[str, list[types.Artifact]]:
    examples = standard_artifacts.Examples()
    examples.uri = str(examples_folder)
    examples.split_names = artifact_utils.encode_split_names(["train"])
    counted = standard_artifacts.ExampleStatistics()
    counted.uri = str(folder / "statistics")
    counted.split_names = artifact_utils.encode_split_names(["train"])
    found = count_statistics(examples_folder) if statistics is None else statistics
    target = folder / "statistics" / "Split-train"
    target.mkdir(parents=True)
    (target / "FeatureStats.pb").write_bytes(found.SerializeToString())
    schema = standard_artifacts.Schema()
    schema.uri = str(folder / "schema")
    io_utils.write_pbtxt_file(f"{schema.uri}/schema.pbtxt", to_schema(spec))
    return {"examples": [examples], "statistics": [counted], "schema": [schema]}


def run(
    folder: pathlib.Path,
    given: dict[str, list[types.Artifact]],
    spec: FeatureSpec = SPEC,
    beam_arguments: Sequence[str] = BEAM,
) -> DiscretizationPlan:
    artifact = artifacts.DiscretizationPlan()
    artifact.uri = str(folder / "plan")
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=list(beam_arguments),
        tmp_dir=str(folder / "tmp"),
        unique_id="1",
    )
    Executor(context).Do(
        given, {"plan": [artifact]}, {"feature_spec": spec.model_dump_json()}
    )
    return DiscretizationPlan.read(pathlib.Path(artifact.uri))


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return write_examples(tmp_path_factory.mktemp("examples"), COLUMNS)


@pytest.fixture(scope="module")
def plan(
    tmp_path_factory: pytest.TempPathFactory, examples: pathlib.Path
) -> DiscretizationPlan:
    folder = tmp_path_factory.mktemp("run")
    return run(folder, inputs(folder, examples))


def test_files_give_the_plan_of_the_columns_in_memory(
    plan: DiscretizationPlan,
) -> None:
    wanted = plan_of(SPEC, COLUMNS)
    plan.check(SPEC)
    assert list(plan.fields) == ["price", "age", "again", "flag"]
    for name, field in plan.fields.items():
        other = wanted.fields[name]
        assert field.scaling.kind == other.scaling.kind
        assert field.encoding.kind == other.encoding.kind
        assert field.reasons["encoder"] == other.reasons["encoder"]
        assert field.statistics.rows == int((COLUMNS["w"] > 0).sum())
        assert field.statistics.mean == pytest.approx(other.statistics.mean)
        assert field.statistics.missing == pytest.approx(other.statistics.missing)
    assert (
        plan.fields["age"].statistics.values == wanted.fields["age"].statistics.values
    )
    assert "equal to `age`" in plan.fields["again"].reasons["duplicate"]


def test_two_workers_write_the_same_plan(
    tmp_path: pathlib.Path, examples: pathlib.Path, plan: DiscretizationPlan
) -> None:
    again = run(tmp_path, inputs(tmp_path, examples), beam_arguments=TWO_PROCESSES)
    assert again.model_dump_json() == plan.model_dump_json()


def test_the_order_of_the_parts_does_not_show(
    tmp_path: pathlib.Path,
    examples: pathlib.Path,
    plan: DiscretizationPlan,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create = beam.Create
    monkeypatch.setattr(beam, "Create", lambda parts: create(list(reversed(parts))))
    again = run(tmp_path, inputs(tmp_path, examples))
    assert again.model_dump_json() == plan.model_dump_json()


def test_more_files_than_parts_are_all_read(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "MOST_PARTS", 2)
    columns = {name: values[:500] for name, values in COLUMNS.items()}
    folder = write_examples(tmp_path / "examples", columns, shards=5)
    found = run(tmp_path, inputs(tmp_path, folder))
    wanted = plan_of(SPEC, columns)
    quantiles = found.fields["price"].statistics.quantiles
    assert quantiles == wanted.fields["price"].statistics.quantiles


def test_decisions_that_deserve_a_look_are_logged(
    tmp_path: pathlib.Path, examples: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "clickwright.progress"):
        run(tmp_path, inputs(tmp_path, examples))
    (warning,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert "feature `again`: equal to `age` in every row" in warning.getMessage()
    assert getattr(caplog.records[-1], "detail", "").startswith("4 numeric features")
    rows = [getattr(r, "rows", None) for r in caplog.records if hasattr(r, "total")]
    assert rows[-1] == ROWS


def small(**changes: Any) -> Columns:
    return {name: values[:40] for name, values in COLUMNS.items()} | changes


def refused(
    tmp_path: pathlib.Path,
    columns: Columns,
    kind: type[ClickwrightError] = DataError,
    statistics: statistics_pb2.DatasetFeatureStatisticsList | None = None,
    types_: Mapping[str, pa.DataType] | None = None,
    spec: FeatureSpec = SPEC,
) -> str:
    folder = write_examples(tmp_path / "examples", columns, types_=types_)
    counted = count_statistics(folder, None) if statistics is None else statistics
    with pytest.raises(kind) as error:
        run(tmp_path, inputs(tmp_path, folder, spec, counted), SPEC)
    assert error.value.fix
    assert not (tmp_path / "plan" / "discretization_plan.json").exists()
    return str(error.value)


def test_integers_stored_as_strings_are_refused_by_name(
    tmp_path: pathlib.Path,
) -> None:
    told = refused(tmp_path, small(), types_={"flag": pa.large_binary()})
    assert "column `flag`: The column must hold int64 values" in told
    assert "Received: string, such as '" in told


def test_another_type_that_the_statistics_do_not_show_is_refused(
    tmp_path: pathlib.Path,
) -> None:
    right = count_statistics(write_examples(tmp_path / "right", small()))
    told = refused(tmp_path, small(), statistics=right, types_={"flag": pa.float32()})
    assert "expected int64_list, found float_list" in told
    assert "rows 1 to 14" in told


def test_several_values_in_a_row_are_refused(tmp_path: pathlib.Path) -> None:
    lists = [[1]] * 39 + [[1, 2]]
    told = refused(tmp_path, small(flag=lists))
    assert "one value at most. Received: 2." in told
    assert "column `flag`, row 13" in told


def test_weights_that_are_all_0_are_refused(tmp_path: pathlib.Path) -> None:
    told = refused(tmp_path, small(w=np.zeros(40)))
    assert told.startswith("column `w`: All 40 weights of the training split are 0")


def test_a_negative_weight_is_refused_with_file_and_row(
    tmp_path: pathlib.Path,
) -> None:
    weights = np.ones(40)
    weights[15] = -2.0
    told = refused(tmp_path, small(w=weights))
    assert "data_tfrecord-00001-of-00003.gz" in told
    assert "Received: -2.0 in row 2" in told


def test_a_missing_weight_is_1(tmp_path: pathlib.Path) -> None:
    weights = np.where(np.arange(40) < 10, np.nan, 0.0)
    folder = write_examples(tmp_path / "examples", small(w=weights))
    found = run(tmp_path, inputs(tmp_path, folder))
    assert found.fields["flag"].statistics.rows == 10


def test_statistics_of_other_examples_are_refused(tmp_path: pathlib.Path) -> None:
    other = count_statistics(
        write_examples(tmp_path / "other", {n: v[:39] for n, v in COLUMNS.items()})
    )
    told = refused(tmp_path, small(), statistics=other)
    assert "The statistics count 39 rows, the examples hold 40" in told


def test_the_schema_of_another_spec_is_refused(tmp_path: pathlib.Path) -> None:
    other = numeric_spec({"price": {}, "age": {}, "flag": {}}, weight="w")
    told = refused(tmp_path, small(), ConfigError, spec=other)
    assert "column `age` of the feature spec, of type INT. Received: FLOAT" in told


def test_a_damaged_file_is_named(tmp_path: pathlib.Path) -> None:
    folder = write_examples(tmp_path / "examples", small())
    statistics = count_statistics(folder)
    path = sorted((folder / "Split-train").iterdir())[1]
    content = path.read_bytes()
    path.write_bytes(content[:300] + bytes(100) + content[400:])
    with pytest.raises(DataError, match="00001-of-00003.gz: The file is damaged"):
        run(tmp_path, inputs(tmp_path, folder, statistics=statistics))


def test_a_file_that_was_cut_off_is_not_taken_for_the_whole(
    tmp_path: pathlib.Path,
) -> None:
    folder = write_examples(tmp_path / "examples", small())
    statistics = count_statistics(folder)
    path = sorted((folder / "Split-train").iterdir())[1]
    path.write_bytes(path.read_bytes()[:-30])
    # Whether the reader sees it, or a row is just not there, is chance.
    with pytest.raises(DataError, match=r"damaged|count 40 rows, the examples hold 39"):
        run(tmp_path, inputs(tmp_path, folder, statistics=statistics))


def test_a_column_without_any_value_is_a_decision_not_an_error(
    tmp_path: pathlib.Path,
) -> None:
    columns = small()
    del columns["age"]
    folder = write_examples(tmp_path / "examples", columns)
    field = run(tmp_path, inputs(tmp_path, folder)).fields["age"]
    assert field.statistics.missing == 1.0
    assert field.scaling.missing == 0.0
    assert "no row has a value" in field.reasons["encoder"]


def test_a_spec_without_numbers_reads_nothing(tmp_path: pathlib.Path) -> None:
    spec = numeric_spec({"user": {"kind": "categorical"}})
    assert run(tmp_path, {}, spec).fields == {}


def test_the_component_hands_its_channels_on() -> None:
    node = Discretizer(
        channel_utils.as_channel([standard_artifacts.Examples()]),
        channel_utils.as_channel([standard_artifacts.ExampleStatistics()]),
        channel_utils.as_channel([standard_artifacts.Schema()]),
        SPEC,
    )
    assert node.outputs["plan"].type is artifacts.DiscretizationPlan
    assert json.loads(node.exec_properties["feature_spec"])["name"] == "shop"
