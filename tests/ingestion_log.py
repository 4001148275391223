"""A small click log with every kind of column, its files, and the executor on them."""

import gzip
import json
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import tensorflow as tf
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import standard_artifacts, standard_component_specs
from tfx.utils import proto_utils

from clickwright.components.ingestion.executor import Executor
from clickwright.components.ingestion.spec import (
    EVENTS_KEY,
    FEATURE_SPEC_KEY,
    LOG_FORMAT_KEY,
)
from clickwright.schemas.spec import SPLITS, FeatureSpec

SPEC: dict[str, Any] = {
    "name": "log",
    "labels": {"click": {}, "order": {"presence": "optional"}},
    "timestamp": "time",
    "split": {"kind": "given"},
    "features": {
        "user": {"kind": "categorical", "role": "user", "dtype": "int64"},
        "item": {"kind": "categorical", "role": "item", "presence": "optional"},
        "price": {"kind": "numeric", "role": "item", "presence": "optional"},
        "tags": {"kind": "multi_hot", "role": "item"},
        "history": {
            "kind": "sequence",
            "role": "user",
            "of": "user",
            "presence": "optional",
            "side": {"item": {"of": "item", "column": "history_item"}},
        },
    },
}
IN_PROCESS = [
    "--runner=FnApiRunner",
    # Not used by a local runner; it spares TFX from packing itself, seconds a run.
    "--sdk_container_image=none",
]
TWO_PROCESSES = [
    *IN_PROCESS,
    "--direct_running_mode=multi_processing",
    "--direct_num_workers=2",
]


def spec(**changes: Any) -> FeatureSpec:
    """The spec of the log, with some keys changed."""
    return FeatureSpec.model_validate_json(json.dumps({**SPEC, **changes}))


def log(rows: int, seed: int = 0) -> pa.Table:
    """Rows with nulls wherever the spec allows them, and a column it does not name."""
    rng = np.random.default_rng(seed)

    def gaps(values: list[Any]) -> list[Any]:
        return [
            v if chance > 0.2 else None
            for v, chance in zip(values, rng.random(rows), strict=True)
        ]

    lengths = [int(n) for n in rng.integers(0, 4, rows)]
    numbers = [[int(v) for v in rng.integers(0, 9, n)] for n in lengths]
    holes = rng.random(rows) < 0.2
    return pa.table(
        {
            "unused": ["x" * 50] * rows,
            "click": [row % 2 for row in range(rows)],
            "order": pa.array(gaps([int(v) for v in rng.integers(0, 2, rows)])),
            "user": [int(v) for v in rng.integers(-(2**40), 2**40, rows)],
            "item": gaps([f"ärtikel,{v}" for v in rng.integers(0, 50, rows)]),
            "price": pa.array(
                gaps([float(v) for v in rng.normal(size=rows)]), pa.float32()
            ),
            "tags": pa.array(
                [[f"t{v}" for v in rng.integers(0, 5, n)] for n in lengths],
                pa.list_(pa.string()),
            ),
            "history": pa.array(
                [None if h else n for n, h in zip(numbers, holes, strict=True)],
                pa.list_(pa.int64()),
            ),
            "history_item": pa.array(
                [
                    None if h else [f"i{v}" for v in n]
                    for n, h in zip(numbers, holes, strict=True)
                ],
                pa.list_(pa.string()),
            ),
            "time": [int(v) for v in 10**9 + rng.integers(0, 1 + rows // 2, rows)],
        }
    )


def write(table: pa.Table, path: pathlib.Path) -> pathlib.Path:
    """Writes the table in the format that the suffixes of `path` tell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffixes[0] == ".parquet":
        pq.write_table(table, path, row_group_size=100)
    elif path.suffixes[0] == ".csv":
        text = csv_text(table)
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    else:
        write_records(path, [example(row) for row in table.to_pylist()])
    return path


def csv_text(table: pa.Table) -> bytes:
    """CSV by the letter: `|` between the values of a list, an empty cell for null."""
    lines = [",".join(table.column_names)]
    for row in table.to_pylist():
        cells = []
        for value in row.values():
            if isinstance(value, list):
                value = "|".join(map(str, value))
            text = "" if value is None else str(value)
            cells.append(f'"{text}"' if "," in text else text)
        lines.append(",".join(cells))
    return "\n".join(lines).encode()


def example(row: dict[str, Any]) -> bytes:
    """A row as a tf.Example, made value by value; nulls are left out."""
    made = tf.train.Example()
    for name, value in row.items():
        values = value if isinstance(value, list) else [value]
        if value is None:
            continue
        feature = made.features.feature[name]
        if values and isinstance(values[0], str):
            feature.bytes_list.value.extend(v.encode() for v in values)
        elif values and isinstance(values[0], float):
            feature.float_list.value.extend(values)
        elif name in ("tags", "history_item", "history_shop"):
            feature.bytes_list.SetInParent()
        else:
            feature.int64_list.value.extend(values)
    return made.SerializeToString()


def write_records(path: pathlib.Path, records: list[bytes]) -> None:
    """Writes a TFRecord file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(
        str(path), "GZIP" if path.suffix == ".gz" else ""
    ) as writer:
        for record in records:
            writer.write(record)


def ingest(
    log_folder: pathlib.Path,
    out: pathlib.Path,
    feature_spec: FeatureSpec,
    file_format: str = "parquet",
    folders: tuple[str, ...] = SPLITS,
    beam: list[str] = IN_PROCESS,
    events: dict[str, str] | None = None,
    config: str | None = None,
) -> standard_artifacts.Examples:
    """Runs the executor as TFX does."""
    artifact = standard_artifacts.Examples()
    artifact.uri = str(out)
    whole = example_gen_pb2.Input(
        splits=[
            example_gen_pb2.Input.Split(name=name, pattern=f"{name}/*")
            for name in folders
        ]
    )
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=list(beam), tmp_dir=str(out.parent), unique_id="1"
    )
    Executor(context).Do(
        {},
        {standard_component_specs.EXAMPLES_KEY: [artifact]},
        {
            standard_component_specs.INPUT_BASE_KEY: str(log_folder),
            standard_component_specs.INPUT_CONFIG_KEY: (
                config or proto_utils.proto_to_json(whole)
            ),
            EVENTS_KEY: json.dumps(events or {}),
            FEATURE_SPEC_KEY: feature_spec.model_dump_json(),
            LOG_FORMAT_KEY: file_format,
        },
    )
    return artifact


def shards(artifact: standard_artifacts.Examples, split: str) -> list[pathlib.Path]:
    """The files of a split, in order."""
    return sorted(pathlib.Path(artifact.uri, f"Split-{split}").iterdir())


def rows_of(
    artifact: standard_artifacts.Examples, split: str, feature_spec: FeatureSpec
) -> list[dict[str, Any]]:
    """Parses the shards of a split, value by value, into what `log` makes."""
    columns = feature_spec.columns()
    rows = []
    for shard in shards(artifact, split):
        for record in tf.data.TFRecordDataset(str(shard), "GZIP"):
            features = tf.train.Example.FromString(record.numpy()).features.feature
            assert set(features) == set(columns)
            row: dict[str, Any] = {}
            for name, column in columns.items():
                kind = features[name].WhichOneof("kind")
                if kind is None:
                    row[name] = None
                    continue
                wanted = {"int64": "int64", "float32": "float", "string": "bytes"}
                assert kind == f"{wanted[column.dtype]}_list"
                values = list(getattr(features[name], kind).value)
                if column.dtype == "string":
                    values = [value.decode() for value in values]
                row[name] = values if column.is_list else values[0]
            rows.append(row)
    return rows


def expected(table: pa.Table, feature_spec: FeatureSpec) -> list[dict[str, Any]]:
    """Rows of the table as `rows_of` gives them."""
    return table.select(list(feature_spec.columns())).to_pylist()
