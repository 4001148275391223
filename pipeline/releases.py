"""What is published, for `clickwright models`."""

from typing import Any

import rich.box
import rich.console
import rich.table

from clickwright.components.publisher.version_store import VersionStore, storage_of
from clickwright.schemas.errors import DataError, did_you_mean

SERVED, KEPT = "served", "kept"


def listing(root: str, model_name: str | None = None) -> list[dict[str, Any]]:
    """Describes the versions of one model of a serving root, or of all its models.

    Returns:
        One mapping a version, a model's newest first: `model`, `version`, `published`
        (UTC; None where another tool published it), `bytes` (None likewise), `labels`,
        and `state` (`served`: a server is told to load it; `kept`).

    Raises:
        ConfigError: the server's config file is damaged.
        DataError: there is no such model, or none at all.
    """
    found = []
    for name in [model_name] if model_name else _names(root):
        store = existing(root, name)
        versions = store.versions()
        labels, served = store.book.labels(), store.book.served(versions)
        for version in reversed(versions):
            row: dict[str, Any] = {
                "model": name,
                "version": version,
                "published": None,
                "bytes": None,
                "labels": [label for label in labels if labels[label] == version],
                "state": SERVED if version in served else KEPT,
            }
            try:
                manifest = store.storage.manifest(version)
                row["published"] = manifest.published_at
                row["bytes"] = sum(entry.size for entry in manifest.files.values())
            except DataError:
                pass  # another tool's version
            found.append(row)
    return found


def existing(root: str, model_name: str, keep: int = 1) -> VersionStore:
    """Returns the store of a published model.

    Raises:
        ConfigError: an argument breaks its rule.
        DataError: the root has no versions of the model.
    """
    store = VersionStore(root, model_name, keep)
    if not store.versions():
        names = _names(root)
        raise DataError(
            f"There is no version of `{model_name}`.{did_you_mean(model_name, names)} "
            f"Models: {', '.join(names)}.",
            where=root,
            fix="name one of these, or another root",
        )
    return store


def show(rows: list[dict[str, Any]], console: rich.console.Console) -> None:
    """Prints a table of versions."""
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD)
    for column in ("model", "version", "published (UTC)", "MB", "labels", "state"):
        table.add_column(column, justify="right" if column == "MB" else "left")
    for row in rows:
        published, size = row["published"], row["bytes"]
        table.add_row(
            row["model"],
            str(row["version"]),
            published[:19].replace("T", " ") if published else "-",
            f"{size / 1e6:.1f}" if published else "-",
            ", ".join(row["labels"]),
            row["state"],
        )
    console.print(table)


def loaded_versions(server: str, model_name: str) -> set[int]:
    """Asks a running server which versions of a model it holds.

    Raises:
        RequestError: the server refused, or did not answer in time.
    """
    from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus

    from clickwright.serving.client import Client

    with Client(server, model_name) as client:
        return {
            int(version.version)
            for version in client.status()
            if version.state != ModelVersionStatus.END
        }


def _names(root: str) -> list[str]:
    names = storage_of(root, "").model_names()
    if not names:
        raise DataError(
            "No model is published here.",
            where=root,
            fix="give the root of a run, `<out>/serving`, or its `publish.directory`",
        )
    return names
