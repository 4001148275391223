"""How raw files become Parquet in the columns of a feature spec."""

import abc
import dataclasses
import hashlib
import json
import logging
import os
import pathlib
import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from clickwright.schemas.errors import ConfigError, storage_error
from clickwright.schemas.spec import FeatureSpec, load_spec
from clickwright.schemas.strict_yaml import StrictModel

if TYPE_CHECKING:
    import pyarrow

MANIFEST_FILE_NAME = "manifest.json"
progress = logging.getLogger("clickwright.progress")


@dataclasses.dataclass(frozen=True)
class PreparedData:
    """Contract-shaped Parquet on disk.

    Attributes:
        directory: holds one folder a split, each with `part-*.parquet`, and the
            manifest.
        splits: the folders: `train`, `valid`, `test`; or `all` when the spec's rule
            splits later.
        rows: rows of each folder.
        fingerprint: changes whenever the raw files or the options do.
        reused: whether they were there before the call that tells of them.
        details: what else the source knows (Bayes-optimal metrics, for one).
    """

    directory: pathlib.Path
    splits: tuple[str, ...]
    rows: Mapping[str, int]
    fingerprint: str
    details: Mapping[str, Any]
    reused: bool = dataclasses.field(default=True, compare=False)


class Source(abc.ABC):
    """Turns the raw files of one data set into contract-shaped Parquet.

    Subclasses state `Options`, a frozen model of what a user may choose, and write
    the Parquet; this class makes the result atomic and reusable.

    Args:
        options: choices of the data set, validated.
    """

    name: ClassVar[str]
    Options: ClassVar[type[StrictModel]] = StrictModel
    """No choices, unless a subclass offers some."""
    needs_raw: ClassVar[bool] = True
    """Whether raw files must be given; a simulator needs none."""

    def __init__(self, options: StrictModel | None = None) -> None:
        self.options = options if options is not None else self.Options()

    @property
    def in_spans(self) -> bool:
        """Whether the prepared folder holds `span-<number>` folders."""
        return False

    @classmethod
    def folder(cls) -> pathlib.Path:
        """Folder of the data set: `features.yaml`, `schema.pbtxt`, `source.py`."""
        return pathlib.Path(__file__).parent / cls.name

    @classmethod
    def spec(cls) -> FeatureSpec:
        """The data set's feature spec."""
        return load_spec(cls.folder() / "features.yaml")

    @classmethod
    def fetch(cls, target: pathlib.Path, mirror: str | None = None) -> None:
        """Lays the public raw files below `target`, checked.

        Args:
            target: folder for the raw files.
            mirror: folder or base address to take them from instead.

        Raises:
            ConfigError: the source has no raw files.
            MachineError: the files cannot be reached or written.
            DataError: what was fetched is not what is expected.
        """
        raise ConfigError(
            f"`{cls.name}` has nothing to fetch: its rows are simulated.",
            fix="name it in a run's configuration and give no `--data`",
        )

    @abc.abstractmethod
    def raw_fingerprint(self, raw: pathlib.Path | None) -> str:
        """Checks that the raw files are there and whole; returns their digest.

        Raises:
            DataError: a file is absent, or its checksum or row count is wrong.
        """

    @abc.abstractmethod
    def write(
        self, raw: pathlib.Path | None, directory: pathlib.Path
    ) -> tuple[dict[str, int], dict[str, Any]]:
        """Writes `<split>/part-*.parquet` below `directory`.

        Returns:
            Rows of each split, and details for `PreparedData`.
        """

    def fingerprint(self, raw: pathlib.Path | None) -> str:
        """Digest of raw files, options and spec version: names the prepared folder.

        Raises:
            DataError: a raw file is absent or broken.
        """
        digest = hashlib.sha256()
        for part in (self.name, str(self.spec().version), self.raw_fingerprint(raw)):
            digest.update(part.encode() + b"\0")
        digest.update(self.options.model_dump_json().encode())
        return digest.hexdigest()[:16]

    def directory(self, raw: pathlib.Path | None, out: pathlib.Path) -> pathlib.Path:
        """Folder below `out` that `prepare` writes or has written."""
        return out / f"{self.name}-{self.fingerprint(raw)}"

    def bayes_metrics(
        self, prepared: PreparedData
    ) -> dict[str, dict[str, float]] | None:
        """What an oracle that knows the true probabilities scores, by split.

        None where the truth is not known, which is everywhere but in simulated data.
        """
        return None

    def prepare(self, raw: pathlib.Path | None, out: pathlib.Path) -> PreparedData:
        """Writes the Parquet below `out`, or reuses what the same input gave before.

        The files of a reused folder are not touched, so later steps see that nothing
        changed. A folder is complete or absent, whatever interrupts the work.

        Args:
            raw: folder of the raw files; None for a source that needs none.
            out: folder for prepared data; `<name>-<fingerprint>` is made in it.

        Raises:
            DataError: the raw files break their contract.
            MachineError: the folder cannot be written.
        """
        directory = self.directory(raw, out)
        reused = (directory / MANIFEST_FILE_NAME).exists()
        if not reused:
            self._write_whole(raw, directory)
        return dataclasses.replace(read_prepared(directory), reused=reused)

    def _write_whole(self, raw: pathlib.Path | None, directory: pathlib.Path) -> None:
        fingerprint = directory.name.removeprefix(f"{self.name}-")
        staging = directory.with_name(f".{directory.name}.{os.getpid()}")
        try:
            shutil.rmtree(staging, ignore_errors=True)  # of a killed process
            staging.mkdir(parents=True)
            rows, details = self.write(raw, staging)
            manifest = {"fingerprint": fingerprint, "rows": rows, "details": details}
            (staging / MANIFEST_FILE_NAME).write_text(json.dumps(manifest, indent=1))
            if directory.exists():  # without a manifest: not one of ours, or broken
                shutil.rmtree(directory)
            staging.rename(directory)
        except OSError as error:
            raise storage_error(error, directory) from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def write_splits(
    tables: "Mapping[str, pyarrow.Table]", directory: pathlib.Path
) -> dict[str, int]:
    """Writes one Parquet file a split below `directory`; returns their rows."""
    # Imported here: the command line reads this module and needs no Arrow.
    import pyarrow.parquet

    rows: dict[str, int] = {}
    for split, table in tables.items():
        (directory / split).mkdir()
        pyarrow.parquet.write_table(table, directory / split / "part-00000.parquet")
        rows[split] = table.num_rows
        progress.info(
            "%s is written",
            split,
            extra={
                "rows": sum(rows.values()),
                "total": sum(table.num_rows for table in tables.values()),
                "detail": split,
            },
        )
    return rows


def read_prepared(directory: pathlib.Path) -> PreparedData:
    """Reads the manifest that `Source.prepare` left in `directory`."""
    manifest = json.loads((directory / MANIFEST_FILE_NAME).read_text())
    return PreparedData(
        directory=directory,
        splits=tuple(manifest["rows"]),
        rows=manifest["rows"],
        fingerprint=manifest["fingerprint"],
        details=manifest["details"],
    )
