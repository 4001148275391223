"""What runs in containers remember of each other, in place of ML Metadata."""

import dataclasses
import datetime
import functools
import json
import pathlib
import shutil
import time
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import json_format
from ml_metadata.proto import metadata_store_pb2
from tfx import types

from clickwright.components.ledger.entry import MODEL, Entry
from clickwright.components.publisher.storage import Storage
from clickwright.components.publisher.version_store import storage_of
from clickwright.components.spans.span_record import SpanRecord
from clickwright.schemas.errors import DataError, storage_error
from clickwright.schemas.manifest import (
    MANIFEST_PATH,
    Manifest,
    digest_of,
    hash_files,
)

NUMBER_PROPERTY = "ledger_entry"
"""Custom property of an artifact from the ledger: the entry."""


@dataclasses.dataclass(frozen=True)
class Ledger:
    """Copies of what runs of one pipeline left: `<address>/<name>/<number>/`.

    It lies where models are published, so it is as safe: an entry is whole or not
    there, one writer works at a time, and every file is checked by its digest.

    Attributes:
        address: a folder, or an address that starts with `s3://` or `gs://`.
        name: the pipeline.
        keep: how many entries stay, and how many that hold a model.

    Raises:
        ConfigError: the address's scheme is not known.
        MachineError: the package for the scheme is not installed.
    """

    address: str
    name: str
    keep: int = 5

    @functools.cached_property
    def storage(self) -> Storage:
        """Where the entries are."""
        return storage_of(self.address, self.name)

    def entries(self) -> list[Entry]:
        """The entries, newest first.

        Raises:
            DataError: an entry is damaged.
            MachineError: the storage does not answer.
        """
        numbers = sorted(self.storage.versions(), reverse=True)
        return [self._entry(number) for number in numbers]

    def spans(self) -> list[SpanRecord]:
        """What runs have read of which spans, oldest first; those removed since too.

        Raises:
            DataError: an entry is damaged.
            MachineError: the storage does not answer.
        """
        newest = max(self.storage.versions(), default=None)
        if newest is None:
            return []
        entry = self._entry(newest)
        return [*entry.earlier, *([entry.span] if entry.span else [])]

    def add(
        self,
        parts: Mapping[str, types.Artifact],
        *,
        data: str,
        config: str,
        span: SpanRecord | None = None,
    ) -> int:
        """Keeps copies of artifacts as the newest entry; removes old entries.

        Args:
            parts: the artifacts, by what they are.
            data: fingerprint of the data.
            config: digest of configuration and feature spec.
            span: what it read of which spans, where it goes by spans.

        Returns:
            The entry's number.

        Raises:
            MachineError: another run is writing, or the storage cannot be written.
        """
        storage = self.storage
        try:
            with storage.change_model():
                storage.remove_leftovers()
                number = max(int(time.time()), max(storage.versions(), default=0) + 1)
                with storage.stage(number) as staged:
                    for part, artifact in parts.items():
                        _copy(artifact, staged / part)
                    facts = Entry.facts(data, config, span, self.spans())
                    manifest = self._manifest(number, staged, facts)
                    path = staged / MANIFEST_PATH
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(manifest.model_dump_json(indent=1))
                    storage.appear(staged, number, manifest)
                for old in self._old(self.entries()):
                    storage.remove(old)
        except OSError as error:
            raise storage_error(error, pathlib.Path(storage.folder)) from error
        return number

    def restore(self, entry: Entry, part: str, artifact: types.Artifact) -> None:
        """Lays a part of an entry into an artifact, properties included.

        Raises:
            DataError: a file is damaged.
            MachineError: the storage does not answer, or the disk takes no more.
        """
        folder = pathlib.Path(artifact.uri)
        try:
            self.storage.download(entry.number, part, folder)
            found = {f"{part}/{n}": file for n, file in hash_files(folder).items()}
            wanted = {
                name: file
                for name, file in entry.manifest.files.items()
                if name.startswith(f"{part}/")
            }
            if found != wanted:
                damaged = sorted(
                    name
                    for name in found.keys() | wanted.keys()
                    if found.get(name) != wanted.get(name)
                )
                raise DataError(
                    f"Files of the ledger are damaged: {', '.join(damaged)}.",
                    where=f"{self.storage.folder}/{entry.number}",
                    fix="remove this folder: the entry before takes its place",
                )
            _take_properties(folder, artifact)
        except OSError as error:
            raise storage_error(error, folder) from error
        artifact.set_int_custom_property(NUMBER_PROPERTY, entry.number)

    def _entry(self, number: int) -> Entry:
        try:
            return Entry.of(self.storage.manifest(number))
        except DataError as error:
            raise DataError(
                f"An entry of the ledger is damaged. {error.what}",
                where=error.where,
                fix="remove this folder: the entry before takes its place",
            ) from error

    def _manifest(
        self, number: int, staged: pathlib.Path, facts: Mapping[str, str]
    ) -> Manifest:
        files = hash_files(staged)
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        return Manifest(
            model_name=self.name,
            version=number,
            published_at=now,
            digest=digest_of(files),
            files=files,
            provenance=dict(facts),
        )

    def _old(self, entries: Iterable[Entry]) -> list[int]:
        """Entries that no run will ask for: neither new, nor the last of their kind."""
        newest_first = list(entries)
        with_model = [entry for entry in newest_first if entry.holds(MODEL)]
        other = [e for e in newest_first if e.data != newest_first[0].data]
        kept = (*newest_first[: self.keep], *with_model[: self.keep], *other[:1])
        numbers = {entry.number for entry in kept}
        return sorted(e.number for e in newest_first if e.number not in numbers)


_PROPERTIES = "ledger_properties.json"


def _copy(artifact: types.Artifact, target: pathlib.Path) -> None:
    """Copies an artifact's folder, and beside its files what TFX knows of it."""
    shutil.copytree(artifact.uri, target)
    content = {
        kind: {name: json_format.MessageToDict(value) for name, value in found.items()}
        for kind, found in _properties(artifact.mlmd_artifact).items()
    }
    (target / _PROPERTIES).write_text(json.dumps(content), encoding="utf-8")


def _take_properties(folder: pathlib.Path, artifact: types.Artifact) -> None:
    file = folder / _PROPERTIES
    content = json.loads(file.read_text(encoding="utf-8"))
    file.unlink()
    raw = artifact.mlmd_artifact
    for kind, found in _properties(raw).items():
        for name, value in content[kind].items():
            json_format.ParseDict(value, found[name])
    artifact.set_mlmd_artifact(raw)


def _properties(artifact: metadata_store_pb2.Artifact) -> dict[str, Any]:
    return {
        "properties": artifact.properties,
        "custom_properties": artifact.custom_properties,
    }
