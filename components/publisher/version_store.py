"""The folder that a model server watches, and how a version gets into it."""

import contextlib
import dataclasses
import datetime
import errno
import fcntl
import logging
import os
import pathlib
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping

from clickwright.schemas.errors import ConfigError, DataError, MachineError
from clickwright.schemas.manifest import (
    MANIFEST_PATH,
    FileEntry,
    Manifest,
    digest_of,
    hash_files,
    read_manifest,
    verify,
)

SAVED_MODEL_FILE_NAME = "saved_model.pb"
LOCK_FILE_NAME = ".lock"
# Model servers read folders whose name is an integer and pass over all others.
STAGING_PREFIX = ".staging-"
RETIRED_PREFIX = ".retired-"

_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_MEGABYTE = 1_000_000

log = logging.getLogger(__name__)
progress = logging.getLogger("clickwright.progress")


@dataclasses.dataclass(frozen=True)
class VersionStore:
    """The versions of one model: `<root>/<model_name>/<version>`.

    A version is whole from the moment it can be seen: it is staged in a hidden folder
    beside, written through to the disk, checked, and then takes its name in one
    rename. One writer works at a time, held apart by a lock that the system frees when
    a process ends, however it ends. So whatever hidden folder the next writer finds is
    left over, and it removes it.

    Attributes:
        root: the serving root, on a file system with locks and atomic renames.
        model_name: name under which a model server offers the model.
        keep: how many versions stay, the newest included.

    Raises:
        ConfigError: an argument breaks its rule.
    """

    root: pathlib.Path
    model_name: str
    keep: int = 5

    def __post_init__(self) -> None:
        if "://" in str(self.root):
            raise ConfigError(
                "The serving root must be a folder of a mounted file system: a version "
                f"appears by an atomic rename. Received: {self.root}.",
                where="destination",
                fix="give a local or mounted folder",
            )
        if not _MODEL_NAME.fullmatch(self.model_name):
            raise ConfigError(
                "A model name starts with a letter or digit and goes on with letters, "
                f"digits, `_`, `.` and `-`. Received: {self.model_name!r}.",
                where="model_name",
                fix="choose a name that can stand in a path and in a URL",
            )
        if self.keep < 1:
            raise ConfigError(
                "At least one version must be kept, the newest. "
                f"Received: {self.keep}.",
                where="keep",
                fix="give 1 or more",
            )

    @property
    def folder(self) -> pathlib.Path:
        """The model's folder, absolute: the `base_path` of a model server."""
        return self.root.absolute() / self.model_name

    def versions(self) -> dict[int, pathlib.Path]:
        """Folders of the published versions, oldest first; empty if there is none."""
        if not self.folder.is_dir():
            return {}
        found = {
            int(path.name): path
            for path in self.folder.iterdir()
            if path.name.isascii() and path.name.isdecimal() and path.is_dir()
        }
        return dict(sorted(found.items()))

    def publish(
        self,
        model: pathlib.Path,
        *,
        provenance: Mapping[str, str],
        check: Callable[[pathlib.Path], None] | None = None,
    ) -> Manifest:
        """Makes the SavedModel in `model` the newest version, then prunes.

        If the newest version already holds exactly these files it is kept, and its
        manifest is returned: a repeated publish changes nothing.

        Args:
            model: folder with `saved_model.pb`; it is only read.
            provenance: what the manifest says about the model's origin.
            check: is given the staged copy; what it raises stops the publish.

        Returns:
            The manifest of the version that is now the newest.

        Raises:
            DataError: `model` is no SavedModel, or changed while it was copied.
            MachineError: the destination cannot be written or has no space. Nothing
                half-written is left, and the versions are as they were.
        """
        if not (model / SAVED_MODEL_FILE_NAME).is_file():
            raise DataError(
                f"There is no SavedModel: `{SAVED_MODEL_FILE_NAME}` is missing.",
                where=str(model),
                fix="let the trainer finish its export first",
            )
        with self._disk_errors(model), self._locked():
            self._remove_leftovers()
            files = hash_files(model)
            manifest = self._newest_if_equal(files)
            if manifest is None:
                manifest = self._add(model, files, provenance, check)
            else:
                progress.info(
                    "unchanged", extra={"detail": f"version {manifest.version} has it"}
                )
            self._prune()
        return manifest

    def _newest_if_equal(self, files: Mapping[str, FileEntry]) -> Manifest | None:
        versions = self.versions()
        if not versions:
            return None
        newest = versions[max(versions)]
        try:
            if read_manifest(newest).digest == digest_of(files):
                return verify(newest)
        except DataError as error:  # another tool's version, or a damaged one
            log.warning("The newest version is not reused: %s", error)
        return None

    def _add(
        self,
        model: pathlib.Path,
        files: Mapping[str, FileEntry],
        provenance: Mapping[str, str],
        check: Callable[[pathlib.Path], None] | None,
    ) -> Manifest:
        # Seconds since 1970; one more than the newest when the clock is not ahead.
        version = max(int(time.time()), max(self.versions(), default=0) + 1)
        manifest = Manifest(
            model_name=self.model_name,
            version=version,
            published_at=datetime.datetime.now(datetime.UTC).isoformat(
                timespec="seconds"
            ),
            digest=digest_of(files),
            files=dict(files),
            provenance=dict(provenance),
        )
        size = sum(entry.size for entry in files.values()) / _MEGABYTE
        progress.info(
            "staging", extra={"detail": f"version {version}: {size:.1f} MB to copy"}
        )
        staging = self.folder / f"{STAGING_PREFIX}{version}"
        try:
            for name in files:
                target = staging / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(model / name, target)
            target = staging / MANIFEST_PATH
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(manifest.model_dump_json(indent=1))
            for path in (*staging.rglob("*"), staging):
                _fsync(path)
            verify(staging)
            if check is not None:
                progress.info("checking", extra={"detail": f"version {version}"})
                check(staging)
            staging.rename(self.folder / str(version))
        finally:
            # What this cannot remove the next publish does.
            shutil.rmtree(staging, ignore_errors=True)
        _fsync(self.folder)
        progress.info("published", extra={"detail": f"version {version}"})
        return manifest

    def _prune(self) -> None:
        for path in list(self.versions().values())[: -self.keep]:
            retired = path.with_name(f"{RETIRED_PREFIX}{path.name}")
            try:
                path.rename(retired)  # so that nobody sees it half deleted
                shutil.rmtree(retired)
            except OSError as error:  # the new version is published all the same
                log.warning("An old version cannot be removed: %s", error)

    def _remove_leftovers(self) -> None:
        for path in self.folder.iterdir():
            if path.name.startswith((STAGING_PREFIX, RETIRED_PREFIX)):
                log.info("Removing what an interrupted publish left: %s", path)
                shutil.rmtree(path)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / LOCK_FILE_NAME).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress.info(
                    "waiting", extra={"detail": "another publish of this model"}
                )
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def _disk_errors(self, model: pathlib.Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                needed = sum(p.stat().st_size for p in model.rglob("*") if p.is_file())
                free = shutil.disk_usage(self.folder).free
                raise MachineError(
                    f"No space is left on the disk: the model needs "
                    f"{needed / _MEGABYTE:.1f} MB, {free / _MEGABYTE:.1f} MB are free.",
                    where=str(self.folder),
                    fix="free some space there, or keep fewer versions",
                ) from error
            raise MachineError(
                f"The model cannot be published: {error}.",
                where=str(self.folder),
                fix="choose a destination that this user can write",
            ) from error


def _fsync(path: pathlib.Path) -> None:
    """Writes a file's bytes, or a folder's names, through to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
