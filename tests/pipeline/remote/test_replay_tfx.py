"""A stock TFX pipeline, as TFX compiles it, replayed with TFX's own entry point."""

import io
import json
import pathlib

import pytest
import rich.console
import tensorflow_data_validation as tfdv
from tfx import v1 as tfx
from tfx.orchestration import data_types
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

from clickwright.pipeline.remote.replay.history import History
from clickwright.pipeline.remote.replay.replay import replay

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def compile_stock(folder: pathlib.Path) -> pathlib.Path:
    """CsvExampleGen with a runtime parameter, statistics, schema, and a resolver."""
    example_gen = tfx.components.CsvExampleGen(
        input_base=data_types.RuntimeParameter("log", ptype=str)
    )
    statistics_gen = tfx.components.StatisticsGen(
        examples=example_gen.outputs["examples"]
    )
    schema_gen = tfx.components.SchemaGen(
        statistics=statistics_gen.outputs["statistics"]
    )
    earlier = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestArtifactStrategy,
        schema=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Schema),
    ).with_id("EarlierSchema")
    runner = kubeflow_v2_dag_runner.KubeflowV2DagRunner(
        kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
            default_image="stock", use_pipeline_spec_2_1=True
        ),
        output_dir=str(folder),
        output_filename="stock.json",
    )
    runner.run(
        tfx.dsl.Pipeline(
            pipeline_name="stock",
            pipeline_root="gs://bucket/root",
            components=[example_gen, statistics_gen, schema_gen, earlier],
            beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=none"],
        )
    )
    return folder / "stock.json"


def test_a_stock_pipeline_runs_and_the_next_one_finds_what_it_left(
    tmp_path: pathlib.Path,
) -> None:
    path = compile_stock(tmp_path)
    log = tmp_path / "log"
    log.mkdir()
    rows = "".join(f"{i % 2},{i}\n" for i in range(100))
    (log / "all.csv").write_text("click,item\n" + rows)
    console = rich.console.Console(file=io.StringIO())
    root = tmp_path / "replays"

    run = replay(path, console, root=root, param=[f"log={log}"])

    history = History(root)
    generated = history.latest(run.id, "SchemaGen")
    assert generated is not None
    [schema] = generated.artifacts["schema"]
    file = root / schema["uri"].replace("gs://", "gcs/") / "schema.pbtxt"
    assert {f.name for f in tfdv.load_schema_text(str(file)).feature} == {
        "click",
        "item",
    }
    examples = history.latest(run.id, "CsvExampleGen")
    assert examples is not None
    metadata = examples.artifacts["examples"][0]["metadata"]
    assert json.loads(metadata["split_names"]) == ["train", "eval"]
    # Of the driver that Vertex AI runs before it looks into its cache.
    assert metadata["input_fingerprint"].startswith("split:single_split,num_files:1")

    second = replay(path, console, root=root, param=[f"log={log}"])

    resolved = History(root).latest(second.id, "EarlierSchema")
    assert resolved is not None
    assert resolved.artifacts["schema"] == [schema]
