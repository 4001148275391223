"""What an older version has left in ML Metadata."""

import pathlib

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata

from clickwright.components.item_table.artifacts import ItemTable
from clickwright.pipeline.local import retire_old_types

LIVE = metadata_store_pb2.Artifact.LIVE
DELETED = metadata_store_pb2.Artifact.DELETED


def test_artifacts_under_old_names_are_taken_from_no_cache(
    tmp_path: pathlib.Path,
) -> None:
    database = tmp_path / "metadata.sqlite"
    store = metadata_store.MetadataStore(
        metadata.sqlite_metadata_connection_config(str(database))
    )
    for name in ("ItemTable", ItemTable.TYPE_NAME, "Model"):
        kind = store.put_artifact_type(metadata_store_pb2.ArtifactType(name=name))
        store.put_artifacts(
            [metadata_store_pb2.Artifact(type_id=kind, uri=name, state=LIVE)]
        )

    assert retire_old_types(database) == 1

    states = {artifact.uri: artifact.state for artifact in store.get_artifacts()}
    assert states == {"ItemTable": DELETED, ItemTable.TYPE_NAME: LIVE, "Model": LIVE}
    assert retire_old_types(database) == 0


def test_a_new_folder_has_none(tmp_path: pathlib.Path) -> None:
    assert retire_old_types(tmp_path / "metadata.sqlite") == 0
