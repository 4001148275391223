import pathlib

import pytest
from ingestion_log import IN_PROCESS, log, rows_of, spec, write
from ml_metadata.metadata_store import metadata_store
from tfx.components import FileBasedExampleGen, StatisticsGen
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.proto import example_gen_pb2
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

from clickwright.components.ingestion.component import LogExampleGen
from clickwright.schemas.errors import ConfigError, DataError
from clickwright.schemas.spec import SPLITS, FeatureSpec


def test_the_component_carries_the_spec_and_the_patterns() -> None:
    component = LogExampleGen("base", spec(), SPLITS, "csv", span=True)

    assert isinstance(component, FileBasedExampleGen)
    properties = component.exec_properties
    assert FeatureSpec.model_validate_json(properties["feature_spec"]) == spec()
    assert properties["log_format"] == "csv"
    assert properties["input_base"] == "base"
    config = example_gen_pb2.Input()
    proto_utils.json_to_proto(properties["input_config"], config)
    assert [(split.name, split.pattern) for split in config.splits] == [
        (name, f"span-{{SPAN}}/{name}/*") for name in SPLITS
    ]
    assert component.outputs["examples"].type is standard_artifacts.Examples


def test_given_splits_need_their_folders() -> None:
    with pytest.raises(ConfigError, match="needs the folders train, valid, test"):
        LogExampleGen("base", spec())


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean `parquet`"):
        LogExampleGen("base", spec(), SPLITS, "parket")  # type: ignore[arg-type]


def run(folder: pathlib.Path, name: str = "log", span: bool = True) -> None:
    """Runs a pipeline of the component and a consumer, as a person would."""
    examples = LogExampleGen(str(folder / "log"), spec(), SPLITS, span=span)
    statistics = StatisticsGen(examples=examples.outputs["examples"])
    LocalDagRunner().run(
        pipeline.Pipeline(
            pipeline_name=name,
            pipeline_root=str(folder / "root"),
            components=[examples, statistics],
            enable_cache=True,
            metadata_connection_config=metadata.sqlite_metadata_connection_config(
                str(folder / "metadata.sqlite")
            ),
            beam_pipeline_args=IN_PROCESS,
        )
    )


def store(folder: pathlib.Path) -> metadata_store.MetadataStore:
    return metadata_store.MetadataStore(
        metadata.sqlite_metadata_connection_config(str(folder / "metadata.sqlite"))
    )


def states(folder: pathlib.Path) -> list[str]:
    """States of the component's executions, oldest first."""
    executions = store(folder).get_executions_by_type(
        f"{LogExampleGen.__module__}.LogExampleGen"
    )
    kinds = type(executions[0]).State
    return [kinds.Name(execution.last_known_state) for execution in executions]


def test_a_pipeline_reads_the_latest_span_once(tmp_path: pathlib.Path) -> None:
    for span, rows in ((3, 40), (12, 60)):
        for split in SPLITS:
            write(log(rows), tmp_path / f"log/span-{span}/{split}/part-0.parquet")

    run(tmp_path)
    run(tmp_path)

    assert states(tmp_path) == ["COMPLETE", "CACHED"]
    (made,) = store(tmp_path).get_artifacts_by_type("Examples")
    assert made.custom_properties["span"].int_value == 12
    assert made.custom_properties["rows_train"].int_value == 60
    artifact = standard_artifacts.Examples()
    artifact.uri = made.uri
    assert rows_of(artifact, "test", spec()) == (
        log(60).select(list(spec().columns())).to_pylist()
    )


def test_a_failed_run_leaves_no_examples_and_the_next_good_one_works(
    tmp_path: pathlib.Path,
) -> None:
    for split in SPLITS:
        write(log(20), tmp_path / f"log/{split}/part-0.parquet")
    cut = tmp_path / "log/train/part-1.parquet"
    cut.write_bytes(b"PAR1")

    with pytest.raises(DataError, match="part-1.parquet"):
        run(tmp_path, span=False)
    assert states(tmp_path) == ["FAILED"]
    assert not list(tmp_path.glob("root/**/*.gz"))

    cut.unlink()
    run(tmp_path, span=False)
    assert states(tmp_path) == ["FAILED", "COMPLETE"]


def test_a_span_that_is_not_there_is_told(tmp_path: pathlib.Path) -> None:
    write(log(20), tmp_path / "log/train/part-0.parquet")

    with pytest.raises(DataError, match="span-<number>/<split>/"):
        run(tmp_path)
