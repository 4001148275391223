"""A serving root in a folder of this machine, or of a mounted file system."""

import contextlib
import dataclasses
import datetime
import fcntl
import logging
import os
import pathlib
import shutil
from collections.abc import Iterator

from clickwright.schemas.atomic_file import write_text
from clickwright.schemas.errors import MachineError
from clickwright.schemas.manifest import Manifest, read_manifest, verify

LOCK_FILE_NAME = ".lock"
# Model servers read folders whose name is an integer and pass over all others.
STAGING_PREFIX = ".staging-"
RETIRED_PREFIX = ".retired-"

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class FolderStorage:
    """A `Storage` on a file system with locks and atomic renames.

    A version is staged in a hidden folder beside the others, written through to the
    disk, and takes its name in one rename. A lock is freed by the system when its
    process ends, however it ends; so whatever hidden folder its next holder finds is
    left over.

    Attributes:
        path: the serving root.
        model_name: name of the model's folder.
    """

    path: pathlib.Path
    model_name: str

    @property
    def root(self) -> str:
        """The serving root, absolute."""
        return str(self.path.absolute())

    @property
    def folder(self) -> str:
        """The model's folder, absolute."""
        return str(self._folder)

    @property
    def scratch(self) -> pathlib.Path:
        """The model's folder: a version is staged where it will be."""
        return self._folder

    @property
    def _folder(self) -> pathlib.Path:
        return self.path.absolute() / self.model_name

    def model_names(self) -> list[str]:
        """The folders of the root that hold a version."""
        if not self.path.is_dir():
            return []
        folders = [p for p in self.path.iterdir() if p.is_dir() and p.name[0] != "."]
        return sorted(
            path.name
            for path in folders
            if FolderStorage(self.path, path.name).versions()
        )

    @contextlib.contextmanager
    def change_model(self) -> Iterator[None]:
        """Holds the model's lock, or says who holds it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        # Not "w": it would wipe out what the holder says of itself.
        with (self._folder / LOCK_FILE_NAME).open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                lock.seek(0)
                raise MachineError(
                    f"Another process is changing the versions of `{self.model_name}`: "
                    f"{lock.read().strip() or 'it has just begun'}.",
                    where=self.folder,
                    fix="wait until it is done, then run the same command again",
                ) from error
            lock.truncate(0)
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            lock.write(f"process {os.getpid()} of {os.uname().nodename} since {now}")
            lock.flush()
            yield

    @contextlib.contextmanager
    def change_root(self) -> Iterator[None]:
        """Holds the root's lock. Changes under it take milliseconds."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / LOCK_FILE_NAME).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def versions(self) -> list[int]:
        """The numbers that are folders; none if the model has no folder."""
        if not self._folder.is_dir():
            return []
        return sorted(
            int(path.name)
            for path in self._folder.iterdir()
            if path.name.isascii() and path.name.isdecimal() and path.is_dir()
        )

    @contextlib.contextmanager
    def stage(self, version: int) -> Iterator[pathlib.Path]:
        """Gives a hidden folder beside the versions."""
        staging = self._folder / f"{STAGING_PREFIX}{version}"
        try:
            yield staging
        finally:
            # What this cannot remove the next writer does.
            shutil.rmtree(staging, ignore_errors=True)

    def appear(self, staged: pathlib.Path, version: int, manifest: Manifest) -> None:
        """Writes the staged folder through to the disk and renames it."""
        for path in (*staged.rglob("*"), staged):
            _fsync(path)
        staged.rename(self._version(version))
        _fsync(self._folder)

    def manifest(self, version: int) -> Manifest:
        """Reads the manifest of a version."""
        return read_manifest(self._version(version))

    def verify(self, version: int) -> Manifest:
        """Checks every file of a version against its manifest."""
        return verify(self._version(version))

    def download(self, version: int, below: str, target: pathlib.Path) -> None:
        """Copies a folder of a version."""
        shutil.copytree(self._version(version) / below, target, dirs_exist_ok=True)

    def remove(self, version: int) -> None:
        """Hides a version in one rename, then deletes it."""
        retired = self._folder / f"{RETIRED_PREFIX}{version}"
        self._version(version).rename(retired)
        shutil.rmtree(retired)

    def remove_leftovers(self) -> None:
        """Removes the hidden folders of an interrupted writer."""
        for path in self._folder.iterdir():
            if path.name.startswith((STAGING_PREFIX, RETIRED_PREFIX)):
                log.info("Removing what an interrupted publish left: %s", path)
                shutil.rmtree(path)

    def read(self, name: str) -> str | None:
        """Reads a file of the root."""
        path = self.path / name
        return path.read_text(encoding="utf-8") if path.exists() else None

    def write(self, name: str, text: str) -> None:
        """Replaces a file of the root in one rename."""
        write_text(self.path / name, text)

    def _version(self, version: int) -> pathlib.Path:
        return self._folder / str(version)


def _fsync(path: pathlib.Path) -> None:
    """Writes a file's bytes, or a folder's names, through to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
