"""Evaluation of one model on the same rows: ours beside stock TFMA.

Both run in one go, one after the other and with one worker process, so the ratio holds
on any machine; the rows per second do not.
"""

import logging
import os
import pathlib
import tempfile
import time
import warnings
from typing import Annotated, Any

import numpy as np
import rich.console
import rich.table
import typer

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.filterwarnings("ignore")
console = rich.console.Console()

# The runner by name: DirectRunner fetches another one from the network if it can.
# The image is not used by it, but spares TFX from packing itself, seconds a step.
BEAM = ["--runner=FnApiRunner", "--sdk_container_image=none"]
CATEGORIES = {"user": 50_000, "item": 20_000, "shop": 2_000, "category": 40}
CONTEXT = {"device": 3, "hour": 24, "position": 10, "weekday": 7}
SPEC: dict[str, Any] = {
    "name": "bench",
    "labels": {"click": {}},
    "features": {
        name: {"kind": "categorical", "role": "context", "dtype": "int64"}
        for name in (*CATEGORIES, *CONTEXT)
    },
    "split": {"kind": "given"},
    "group_key": "user",
    "slices": [["device"], ["hour"], ["category"]],
}
SHARDS = 4


def main(
    rows: Annotated[int, typer.Option(help="Rows to evaluate.", min=1000)] = 1_000_000,
    stock_rows: Annotated[
        int, typer.Option(help="Rows for stock TFMA, which takes about 1 ms a row.")
    ] = 20_000,
    folder: Annotated[
        pathlib.Path | None, typer.Option(help="Where to work; 100 MB a million rows.")
    ] = None,
) -> None:
    """Time ModelEvaluator beside what TFX's Evaluator runs, with three slicings.

    The model is a small click model: eight embeddings, two dense layers. Ours computes
    exact AUC, GAUC, log loss, NE, ECE, PCOC, calibration plot; stock TFMA computes its
    own AUC, cross-entropy, calibration and calibration plot. Ours evaluates 1,000 rows
    of a valid split besides. Times include reading, scoring and writing the artifact,
    but no import.

        python benchmarks/evaluate.py --rows 100000 --stock-rows 5000
    """
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        steps = _steps(pathlib.Path(work), rows, min(rows, stock_rows))
    table = rich.table.Table(title="Evaluation, one worker process")
    for header in ("", "rows", "seconds", "rows/s", "AUC"):
        table.add_column(header, justify="right" if header else "left")
    for name, count, seconds, auc in steps:
        table.add_row(
            name,
            f"{count:,}",
            f"{seconds:.1f}",
            f"{count / seconds:,.0f}",
            f"{auc:.6f}",
        )
    console.print(table)
    (_, *stock, _), *_, (_, *ours, _) = steps
    ratio = (ours[0] / ours[1]) / (stock[0] / stock[1])
    console.print(f"Ours evaluates {ratio:.0f} times as many rows a second.")


def _steps(
    work: pathlib.Path, rows: int, stock_rows: int
) -> list[tuple[str, int, float, float]]:
    """Runs everything; returns name, rows, seconds and AUC of each step."""
    with console.status("Loading TFX"):
        import tensorflow_model_analysis as tfma
        from tfx.types import standard_artifacts

        from clickwright.components.evaluation.executor import Executor
        from clickwright.components.evaluation.result import read_evaluation

    with console.status(f"Writing {rows:,} rows and a model"):
        stock_files = _write_rows(work / "stock" / "Split-test", stock_rows)
        _write_rows(work / "ours" / "Split-test", rows)
        _write_rows(work / "ours" / "Split-valid", 1000)
        model = standard_artifacts.Model()
        model.uri = str(work / "model")
        _write_model(work / "model" / "Format-Serving")

    steps = []
    with console.status(f"Stock TFMA on {stock_rows:,} rows"):
        started = time.monotonic()
        _run_stock(stock_files, work / "model" / "Format-Serving", work / "tfma")
        seconds = time.monotonic() - started
        loaded = tfma.load_eval_result(str(work / "tfma"))
        auc = dict(loaded.slicing_metrics)[()][""][""]["auc"]["doubleValue"]
        steps.append(("TFMA, stock", stock_rows, seconds, auc))

    for name, folder, count in (
        ("ModelEvaluator, the same rows", "stock", stock_rows),
        ("ModelEvaluator", "ours", rows),
    ):
        with console.status(f"{name}: {count:,} rows"):
            if folder == "stock":
                _write_rows(work / "stock" / "Split-valid", 1000)
            examples = standard_artifacts.Examples()
            examples.uri = str(work / folder)
            examples.split_names = '["valid", "test"]'
            evaluation = standard_artifacts.ModelEvaluation()
            evaluation.uri = str(work / f"{folder}-evaluation")
            blessing = standard_artifacts.ModelBlessing()
            blessing.uri = str(work / f"{folder}-blessing")
            context = Executor.Context(
                beam_pipeline_args=BEAM, tmp_dir=str(work / "tmp"), unique_id=folder
            )
            started = time.monotonic()
            Executor(context).Do(
                {"examples": [examples], "model": [model]},
                {"evaluation": [evaluation], "blessing": [blessing]},
                {"feature_spec": _spec().model_dump_json(), "thresholds": "{}"},
            )
            seconds = time.monotonic() - started
            auc = read_evaluation(evaluation.uri).splits["test"].overall["auc"]
            steps.append((name, count, seconds, auc))
    return steps


def _run_stock(
    files: list[pathlib.Path], model: pathlib.Path, output: pathlib.Path
) -> None:
    """Does what the executor of TFX's Evaluator does."""
    import apache_beam as beam
    import tensorflow_model_analysis as tfma
    from apache_beam.options.pipeline_options import PipelineOptions
    from tfx_bsl.tfxio import tf_example_record

    from clickwright.components.evaluation.eval_config import eval_config
    from clickwright.components.evaluation.thresholds import Thresholds

    config = eval_config(_spec(), Thresholds())
    metrics = config.metrics_specs[0].metrics
    del metrics[:]
    for name in ("ExampleCount", "AUC", "BinaryCrossEntropy", "Calibration"):
        metrics.add(class_name=name)
    metrics.add(class_name="CalibrationPlot")
    config = tfma.utils.update_eval_config_with_defaults(config)
    shared_model = tfma.default_eval_shared_model(str(model), eval_config=config)
    with beam.Pipeline(options=PipelineOptions(BEAM)) as pipeline:
        rows = tf_example_record.TFExampleRecord(
            [str(file) for file in files],
            raw_record_column_name=tfma.ARROW_INPUT_COLUMN,
            telemetry_descriptors=["benchmark"],
        )
        _ = (
            pipeline
            | "Read" >> rows.BeamSource()
            | tfma.ExtractEvaluateAndWriteResults(
                eval_config=config,
                eval_shared_model=shared_model,
                output_path=str(output),
            )
        )


def _spec() -> Any:
    from clickwright.schemas import strict_yaml
    from clickwright.schemas.spec import FeatureSpec

    return strict_yaml.parse(FeatureSpec, SPEC, "benchmark")


def _write_rows(folder: pathlib.Path, rows: int) -> list[pathlib.Path]:
    import pyarrow as pa
    import tensorflow as tf

    from clickwright.components.ingestion.encoder import encode

    folder.mkdir(parents=True)
    files = []
    rng = np.random.default_rng(rows)
    for shard, part in enumerate(np.array_split(np.arange(rows), SHARDS)):
        columns = {
            name: (size * rng.random(len(part)) ** 2).astype(np.int64)
            for name, size in (CATEGORIES | CONTEXT).items()
        }
        click = rng.random(len(part)) < 0.05 + 0.1 * (columns["item"] % 2)
        columns["click"] = click.astype(np.int64)
        files.append(folder / f"data-{shard:05d}-of-{SHARDS:05d}.gz")
        with tf.io.TFRecordWriter(str(files[-1]), "GZIP") as writer:
            for record in encode(pa.RecordBatch.from_pydict(columns)):
                writer.write(record)
    return files


def _write_model(path: pathlib.Path) -> None:
    import tensorflow as tf

    class ClickModel(tf.Module):
        """Embeddings of every column, two dense layers."""

        def __init__(self) -> None:
            super().__init__()
            random = tf.random.Generator.from_seed(1)
            self.tables = {
                name: tf.Variable(random.normal([size, 16]))
                for name, size in (CATEGORIES | CONTEXT).items()
            }
            self.hidden = tf.Variable(random.normal([16 * len(self.tables), 64]) / 16)
            self.output = tf.Variable(random.normal([64, 1]) / 8)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
        def serve(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
            ids = tf.io.parse_example(
                examples,
                {name: tf.io.FixedLenFeature([], tf.int64) for name in self.tables},
            )
            vectors = [tf.gather(self.tables[name], ids[name]) for name in self.tables]
            hidden = tf.nn.relu(tf.concat(vectors, -1) @ self.hidden)
            score = tf.sigmoid(hidden @ self.output - 2.0)
            return {"probability": tf.squeeze(score, -1)}

    model = ClickModel()
    tf.saved_model.save(model, str(path), {"serving_default": model.serve})


if __name__ == "__main__":
    typer.run(main)
