"""Discretization of many rows: seconds from files of tf.Examples to the plan."""

import logging
import os
import pathlib
import resource
import tempfile
import time
import warnings
from typing import Annotated, Any

import numpy as np
import rich.console
import typer

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.filterwarnings("ignore")
console = rich.console.Console()

SHARDS = 8


def main(
    rows: Annotated[int, typer.Option(help="Rows to read.", min=1000)] = 1_000_000,
    fields: Annotated[int, typer.Option(help="Numeric fields.", min=1)] = 13,
    workers: Annotated[int, typer.Option(help="Worker processes.", min=1)] = 2,
    folder: Annotated[
        pathlib.Path | None, typer.Option(help="Where to work; 150 MB a million rows.")
    ] = None,
) -> None:
    """Time the Discretizer on gzipped TFRecords of numbers of many shapes.

    A fifth of the values is missing. Times include Beam, reading and writing the plan,
    but no import and no statistics.

        python benchmarks/discretize.py --rows 100000
    """
    logging.disable(logging.WARNING)
    with console.status("Loading TFX"):
        from tensorflow_metadata.proto.v0 import statistics_pb2
        from tfx.types import standard_artifacts
        from tfx.utils import io_utils

        from clickwright.components.discretizer.artifacts import DiscretizationPlan
        from clickwright.components.discretizer.executor import Executor
        from clickwright.schemas.metadata import to_schema

    spec = _spec(fields)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        with console.status(f"Writing {rows:,} rows of {fields} fields"):
            examples = standard_artifacts.Examples()
            examples.uri = f"{work}/examples"
            examples.split_names = '["train"]'
            _write_rows(pathlib.Path(examples.uri) / "Split-train", rows, fields)
            statistics = standard_artifacts.ExampleStatistics()
            statistics.uri = f"{work}/statistics"
            statistics.split_names = '["train"]'
            counted = statistics_pb2.DatasetFeatureStatisticsList()
            counted.datasets.add(num_examples=rows)
            io_utils.write_bytes_file(
                f"{statistics.uri}/Split-train/FeatureStats.pb",
                counted.SerializeToString(),
            )
            schema = standard_artifacts.Schema()
            schema.uri = f"{work}/schema"
            io_utils.write_pbtxt_file(f"{schema.uri}/schema.pbtxt", to_schema(spec))
            plan = DiscretizationPlan()
            plan.uri = f"{work}/plan"
        context = Executor.Context(
            beam_pipeline_args=[
                # By name: DirectRunner fetches another one if it can. The image is
                # not used, but spares TFX from packing itself.
                "--runner=FnApiRunner",
                "--sdk_container_image=none",
                f"--direct_num_workers={workers}",
                "--direct_running_mode="
                + ("in_memory" if workers == 1 else "multi_processing"),
            ],
            tmp_dir=f"{work}/tmp",
            unique_id="1",
        )
        with console.status("Discretizing"):
            started, cpu = time.monotonic(), _cpu_seconds()
            Executor(context).Do(
                {
                    "examples": [examples],
                    "statistics": [statistics],
                    "schema": [schema],
                },
                {"plan": [plan]},
                {"feature_spec": spec.model_dump_json()},
            )
            seconds, cpu = time.monotonic() - started, _cpu_seconds() - cpu
    console.print(
        f"{rows:,} rows of {fields} fields, {workers} worker processes: "
        f"{seconds:.1f} s, {cpu:.1f} s of CPU, {rows / seconds:,.0f} rows/s"
    )


def _cpu_seconds() -> float:
    """CPU time of this process and of the workers that have ended."""
    used = [
        resource.getrusage(who)
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    return sum(u.ru_utime + u.ru_stime for u in used)


def _spec(fields: int) -> Any:
    from clickwright.schemas import strict_yaml
    from clickwright.schemas.spec import FeatureSpec

    return strict_yaml.parse(
        FeatureSpec,
        {
            "name": "bench",
            "labels": {"click": {}},
            "split": {"kind": "given"},
            "features": {
                f"x{i}": {
                    "kind": "numeric",
                    "role": "context",
                    "presence": "optional",
                }
                for i in range(fields)
            },
        },
        "features.yaml",
    )


def _write_rows(folder: pathlib.Path, rows: int, fields: int) -> None:
    import pyarrow as pa
    import tensorflow as tf
    from tfx_bsl.coders import example_coder

    rng = np.random.default_rng(0)
    shapes = (
        lambda n: rng.normal(size=n),
        lambda n: rng.lognormal(2, 2, n),
        lambda n: np.floor(rng.lognormal(1, 1, n)),
        lambda n: rng.standard_cauchy(n),
        lambda n: rng.random(n),
    )
    folder.mkdir(parents=True)
    for shard, part in enumerate(np.array_split(np.arange(rows), SHARDS)):
        n = len(part)
        columns: dict[str, Any] = {"click": _lists(rng.integers(0, 2, n), None)}
        for i in range(fields):
            values = np.asarray(shapes[i % len(shapes)](n), np.float32)
            columns[f"x{i}"] = _lists(values, rng.random(n) < 0.2)
        batch = pa.RecordBatch.from_pydict(columns)
        name = f"data_tfrecord-{shard:05d}-of-{SHARDS:05d}.gz"
        with tf.io.TFRecordWriter(str(folder / name), "GZIP") as writer:
            for record in example_coder.RecordBatchToExamples(batch):
                writer.write(record)


def _lists(values: np.ndarray, missing: np.ndarray | None) -> Any:
    import pyarrow as pa

    there = np.ones(len(values), bool) if missing is None else ~missing
    ends = np.concatenate([[0], np.cumsum(there)])
    return pa.LargeListArray.from_arrays(
        pa.array(ends, pa.int64()), pa.array(values[there])
    )


if __name__ == "__main__":
    typer.run(main)
