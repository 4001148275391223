"""What a run left in ML Metadata, as plain values."""

import dataclasses
import datetime
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata

from clickwright.pipeline.local import NodeOutcome
from clickwright.schemas.spec import SPLITS


@dataclasses.dataclass(frozen=True)
class Artifact:
    """One artifact in ML Metadata.

    Attributes:
        id: its number there.
        type: type name, `Examples` for one.
        producer: node whose output it is in this run.
        key: name of that output.
        uri: folder of its files.
        properties: its own and custom properties.
        created: when it was made.
    """

    id: int
    type: str
    producer: str
    key: str
    uri: str
    properties: Mapping[str, Any]
    created: datetime.datetime


class RunArtifacts:
    """Outputs of the executions of one run, cached ones included.

    Args:
        database: SQLite file of ML Metadata.
        outcomes: how the run's nodes ended.
    """

    def __init__(self, database: pathlib.Path, outcomes: Iterable[NodeOutcome]) -> None:
        store = metadata_store.MetadataStore(
            metadata.sqlite_metadata_connection_config(str(database))
        )
        types = {t.id: t.name.rpartition(".")[2] for t in store.get_artifact_types()}
        self._found: list[Artifact] = []
        for outcome in outcomes:
            if outcome.execution is not None:
                self._found += _outputs(store, types, outcome)

    def all(self) -> tuple[Artifact, ...]:
        """Every artifact, in the order of the nodes."""
        return tuple(self._found)

    def first(self, type_name: str) -> Artifact | None:
        """The first artifact of a type, in the order of the nodes."""
        return next((a for a in self._found if a.type == type_name), None)

    def rows(self) -> dict[str, int]:
        """Rows of each split, as the ingestion counted them."""
        examples = self.first("Examples")
        if examples is None:
            return {}
        return {
            split: int(examples.properties[f"rows_{split}"])
            for split in SPLITS
            if f"rows_{split}" in examples.properties
        }


def _outputs(
    store: metadata_store.MetadataStore, types: Mapping[int, str], outcome: NodeOutcome
) -> list[Artifact]:
    events = [
        event
        for event in store.get_events_by_execution_ids([outcome.execution])
        if event.type == metadata_store_pb2.Event.OUTPUT
    ]
    keys = {
        event.artifact_id: next(
            (step.key for step in event.path.steps if step.HasField("key")), ""
        )
        for event in events
    }
    return [
        Artifact(
            id=artifact.id,
            type=types[artifact.type_id],
            producer=outcome.name,
            key=keys[artifact.id],
            uri=artifact.uri,
            properties={
                name: getattr(value, value.WhichOneof("value"))
                for properties in (artifact.properties, artifact.custom_properties)
                for name, value in properties.items()
                if value.WhichOneof("value")
            },
            created=datetime.datetime.fromtimestamp(
                artifact.create_time_since_epoch / 1000, datetime.UTC
            ),
        )
        for artifact in store.get_artifacts_by_id(sorted(keys))
    ]
