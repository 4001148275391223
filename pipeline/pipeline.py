"""The DAG: wiring alone; every decision lies in the configuration or a component."""

import dataclasses
import pathlib

from tfx import v1 as tfx
from tfx.orchestration import metadata

from clickwright.components.ingestion.component import LogExampleGen
from clickwright.pipeline.config import LoadedConfig
from clickwright.pipeline.paths import RunPaths


@dataclasses.dataclass(frozen=True)
class InputFiles:
    """The log that a run ingests.

    Attributes:
        folder: holds one folder a split, or spans of them.
        splits: names of these folders; empty when the files lie in `folder` itself.
        format: parquet, csv or tfrecord.
        span: whether `folder` holds `span-<n>` folders.
    """

    folder: pathlib.Path
    splits: tuple[str, ...]
    format: str = "parquet"
    span: bool = False


def create_pipeline(
    config: LoadedConfig, files: InputFiles, paths: RunPaths, schema: pathlib.Path
) -> tfx.dsl.Pipeline:
    """Wires the components of one run.

    Args:
        config: the run's configuration.
        files: the log to ingest.
        paths: where artifacts, metadata and published models go.
        schema: the TF Metadata schema that was derived from the spec.
    """
    run, spec = config.run, config.spec
    spec_json = spec.model_dump_json()

    examples = LogExampleGen(
        input_base=str(files.folder),
        spec=spec,
        splits=files.splits,
        file_format=files.format,
        span=files.span,
    )
    statistics = tfx.components.StatisticsGen(examples=examples.outputs["examples"])
    schema_importer = tfx.components.ImportSchemaGen(schema_file=str(schema))
    return tfx.dsl.Pipeline(
        pipeline_name=run.name,
        pipeline_root=str(paths.artifacts),
        components=[],
        enable_cache=True,
        metadata_connection_config=metadata.sqlite_metadata_connection_config(
            str(paths.database)
        ),
        beam_pipeline_args=[],
    )
