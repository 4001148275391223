"""Which data become the baseline, run after run, under LocalDagRunner."""

import os
import pathlib
from collections.abc import Sequence

import pytest
import tensorflow as tf
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx
from tfx.dsl.components.common import resolver
from tfx.orchestration import metadata
from tfx.proto import example_gen_pb2

from clickwright.components.validation.baseline import PreviousGoodStatistics
from clickwright.components.validation.component import DataValidator
from clickwright.schemas.errors import DataError
from clickwright.schemas.metadata import write_schema
from clickwright.schemas.spec import FeatureSpec

SPEC = FeatureSpec.model_validate(
    {
        "name": "shop",
        "labels": {"click": {}},
        "split": {"kind": "given"},
        "features": {
            "device": {
                "kind": "categorical",
                "role": "context",
                "drift": {"linf": 0.2},
            },
        },
    }
)
Execution = metadata_store_pb2.Execution


def make_data(folder: pathlib.Path, phones: int) -> pathlib.Path:
    """Writes 100 rows a split, of which `phones` come from a phone."""
    for split in ("train", "valid"):
        (folder / split).mkdir(parents=True)
        with tf.io.TFRecordWriter(str(folder / split / "rows")) as writer:
            for row in range(100):
                example = tf.train.Example()
                device = b"phone" if row < phones else b"desktop"
                example.features.feature["device"].bytes_list.value.append(device)
                example.features.feature["click"].int64_list.value.append(row % 2)
                writer.write(example.SerializeToString())
    return folder


class Runs:
    """A pipeline of ingestion, statistics and validation, run again and again."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.connection = metadata.sqlite_metadata_connection_config(
            str(folder / "metadata.db")
        )
        write_schema(SPEC, folder / "schema.pbtxt")

    def run(self, data: pathlib.Path) -> None:
        examples = tfx.components.ImportExampleGen(
            input_base=str(data),
            input_config=example_gen_pb2.Input(
                splits=[
                    example_gen_pb2.Input.Split(name=split, pattern=f"{split}/*")
                    for split in ("train", "valid")
                ]
            ),
        )
        schema = tfx.components.ImportSchemaGen(
            schema_file=str(self.folder / "schema.pbtxt")
        )
        statistics = tfx.components.StatisticsGen(
            examples=examples.outputs["examples"], schema=schema.outputs["schema"]
        )
        baseline = resolver.Resolver(
            strategy_class=PreviousGoodStatistics,
            statistics=statistics.outputs["statistics"],
            baseline_statistics=tfx.dsl.Channel(
                type=tfx.types.standard_artifacts.ExampleStatistics
            ),
        ).with_id("PreviousGoodStatistics")
        validator = DataValidator(
            statistics=statistics.outputs["statistics"],
            schema=schema.outputs["schema"],
            baseline_statistics=baseline.outputs["baseline_statistics"],
            source=str(data),
        )
        tfx.orchestration.LocalDagRunner().run(
            tfx.dsl.Pipeline(
                pipeline_name="validation",
                pipeline_root=str(self.folder / "artifacts"),
                components=[examples, schema, statistics, baseline, validator],
                enable_cache=True,
                metadata_connection_config=self.connection,
            )
        )

    def last(self) -> tuple[int, Sequence[pathlib.Path]]:
        """State of the latest validation, and the data that it took as baseline."""
        store = metadata_store.MetadataStore(self.connection)
        execution = max(
            store.get_executions_by_type(DataValidator.get_class_type()),
            key=lambda execution: execution.id,
        )
        baselines = [
            event.artifact_id
            for event in store.get_events_by_execution_ids([execution.id])
            if event.path.steps[0].key == "baseline_statistics"
            and event.type == metadata_store_pb2.Event.INPUT
        ]
        return execution.last_known_state, [self._data(store, i) for i in baselines]

    def _data(
        self, store: metadata_store.MetadataStore, statistics: int
    ) -> pathlib.Path:
        """The folder that the statistics' examples were read from."""
        artifact = statistics
        for maker in ("StatisticsGen", "ImportExampleGen"):
            execution = min(
                event.execution_id
                for event in store.get_events_by_artifact_ids([artifact])
                if event.type == metadata_store_pb2.Event.OUTPUT
            )
            (made,) = store.get_executions_by_id([execution])
            if maker == "ImportExampleGen":
                return pathlib.Path(made.custom_properties["input_base"].string_value)
            artifact = next(
                event.artifact_id
                for event in store.get_events_by_execution_ids([execution])
                if event.type == metadata_store_pb2.Event.INPUT
                and event.path.steps[0].key == "examples"
            )
        raise LookupError(statistics)


def test_drifted_data_stop_the_run_and_never_become_the_baseline(
    tmp_path: pathlib.Path,
) -> None:
    runs = Runs(tmp_path)
    first = make_data(tmp_path / "first", phones=50)
    drifted = make_data(tmp_path / "drifted", phones=90)
    mild = make_data(tmp_path / "mild", phones=60)

    runs.run(first)
    assert runs.last() == (Execution.COMPLETE, [])

    runs.run(first)
    assert runs.last() == (Execution.CACHED, [])

    with pytest.raises(DataError, match="column `device`.*found 0.4") as error:
        runs.run(drifted)
    assert error.value.where == str(drifted)
    assert runs.last() == (Execution.FAILED, [first])

    runs.run(first)
    assert runs.last() == (Execution.CACHED, [])

    runs.run(mild)
    assert runs.last() == (Execution.COMPLETE, [first])

    runs.run(mild)
    assert runs.last() == (Execution.CACHED, [first])

    # The same rows written anew have another fingerprint: no cache, no drift either.
    again = make_data(tmp_path / "again", phones=60)
    os.utime(again / "train" / "rows", (1, 1))
    runs.run(again)
    assert runs.last() == (Execution.COMPLETE, [mild])
