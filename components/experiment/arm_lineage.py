"""Where the arms of an experiment come from: `lineage.json`."""

import json
import math
import pathlib
from collections.abc import Mapping

import pydantic

from clickwright.components.publisher.version_store import VersionStore, storage_of
from clickwright.experiments.targets import ServedModel
from clickwright.schemas.atomic_file import write_json
from clickwright.schemas.errors import DataError

LINEAGE_FILE = "lineage.json"

Facts = dict[str, str]
"""Name of a fact and the fact: `version`, `published`, `auc`."""

_FILE = pydantic.TypeAdapter(dict[str, Facts])


def served_models(root: str) -> dict[str, ServedModel]:
    """Returns what a server loads of the models of a serving root, by name.

    Raises:
        ConfigError: the server's config file is damaged.
        MachineError: the root cannot be read.
    """
    found = {}
    for name in storage_of(root, "").model_names():
        store = VersionStore(root, name)
        loaded = store.book.served(store.versions())
        found[name] = ServedModel(loaded, store.book.labels())
    return found


def published_facts(root: str, model: str, version: int) -> Facts:
    """What the manifest of a version says; little where another tool published it."""
    facts = {"model": model, "version": str(version)}
    try:
        manifest = VersionStore(root, model).storage.manifest(version)
    except DataError:
        return facts
    return facts | {"published": manifest.published_at} | manifest.provenance


def metric_facts(metrics: Mapping[str, float]) -> Facts:
    """The metrics of a test split that are known."""
    return {
        name: f"{value:.6g}" for name, value in metrics.items() if math.isfinite(value)
    }


def write_lineage(folder: pathlib.Path, lineage: Mapping[str, Facts]) -> None:
    """Writes the facts by arm.

    Raises:
        MachineError: the folder cannot be written to.
    """
    write_json(folder / LINEAGE_FILE, dict(lineage))


def read_lineage(folder: pathlib.Path) -> dict[str, Facts]:
    """Reads the facts by arm; none where there is no such file.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / LINEAGE_FILE
    try:
        return _FILE.validate_python(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(
            f"The lineage cannot be read: {' '.join(str(error).split())}.",
            where=str(path),
            fix="remove the file, or run ExperimentGen again",
        ) from error
