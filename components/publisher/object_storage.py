"""A serving root in a bucket: S3, Google Cloud Storage."""

import contextlib
import dataclasses
import datetime
import functools
import hashlib
import json
import logging
import os
import pathlib
import posixpath
import tempfile
import time
import uuid
from collections.abc import Iterator
from typing import Any

import fsspec

from clickwright.schemas.errors import (
    ClickwrightError,
    ConfigError,
    DataError,
    MachineError,
)
from clickwright.schemas.manifest import (
    MANIFEST_PATH,
    FileEntry,
    Manifest,
    check_files,
)
from clickwright.schemas.path_below import path_below

PACKAGES = {"s3": "s3", "gs": "gcs", "gcs": "gcs"}
"""The extra of this package that brings what an address's scheme needs."""

LOCK_NAME = ".lock"
# Beside a version's folder while the folder is not whole: on its way in, or out.
PARTIAL_PREFIX = ".partial-"
_SAVED_MODEL = "saved_model.pb"
_CHUNK = 1 << 20

MODEL_LEASE_SECONDS = 3_600
"""How long a writer that fell silent keeps the others from a model's versions."""
ROOT_LEASE_SECONDS = 60
"""The same for the files of the root, which change in a second or two."""

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ObjectStorage:
    """A `Storage` on objects, which have neither folders nor renames nor locks.

    A version's manifest is its marker: it is written last, and the graph just before
    it, so that no model server can load what is not whole. Until then, and from
    before its first object goes, a mark beside the folder says that it is partial.
    Locks are objects that only one writer can create (a conditional write). They end
    by themselves: whoever finds one that has, takes its place.

    Credentials and endpoints come from the environment (`AWS_ACCESS_KEY_ID`,
    `AWS_ENDPOINT_URL`, `GOOGLE_APPLICATION_CREDENTIALS` and others), never from a
    configuration.

    Attributes:
        root: address of the serving root, such as `s3://bucket/serving`.
        model_name: name of the model's folder.

    Raises:
        ConfigError: the address's scheme is none of those in `PACKAGES`.
        MachineError: the package for the scheme is not installed.
    """

    root: str
    model_name: str

    def __post_init__(self) -> None:
        scheme = self.root.partition("://")[0]
        if scheme not in PACKAGES:
            raise ConfigError(
                f"A serving root is a folder or an address that starts with "
                f"{', '.join(f'`{name}://`' for name in PACKAGES)}. "
                f"Received: {self.root}.",
                where="destination",
                fix="give one of these, or mount the file system",
            )
        if not self.root.partition("://")[2].strip("/"):
            raise ConfigError(
                f"The address names no bucket. Received: {self.root}.",
                where="destination",
                fix=f"say `{scheme}://bucket/folder`",
            )
        try:
            fsspec.get_filesystem_class(scheme)
        except ImportError as error:
            raise MachineError(
                f"What `{scheme}://` needs is not installed: {error}.",
                where=self.root,
                fix=f"install `clickwright[{PACKAGES[scheme]}]`",
            ) from error

    @property
    def folder(self) -> str:
        """Address of the model's folder."""
        return f"{self.root.rstrip('/')}/{self.model_name}"

    @property
    def scratch(self) -> pathlib.Path:
        """The folder for temporary files."""
        return pathlib.Path(tempfile.gettempdir())

    @functools.cached_property
    def _files(self) -> Any:
        # Other writers exist: a listing is never taken from a cache.
        scheme = self.root.partition("://")[0]
        return fsspec.filesystem(scheme, use_listings_cache=False)

    def model_names(self) -> list[str]:
        """The folders of the root that hold a version."""
        with self._answers():
            found = self._list(self.root)
        return [n for n in found if ObjectStorage(self.root, n).versions()]

    @contextlib.contextmanager
    def change_model(self) -> Iterator[None]:
        """Takes the model's lock, or says who has it."""
        with self._answers(), self._lease(self._at(LOCK_NAME), MODEL_LEASE_SECONDS, 0):
            yield

    @contextlib.contextmanager
    def change_root(self) -> Iterator[None]:
        """Takes the root's lock, waiting for as long as one can be held."""
        lock = f"{self.root.rstrip('/')}/{LOCK_NAME}"
        with (
            self._answers(),
            self._lease(lock, ROOT_LEASE_SECONDS, ROOT_LEASE_SECONDS + 10),
        ):
            yield

    def versions(self) -> list[int]:
        """The numbers that are folders and not marked as partial."""
        with self._answers():
            found = set(self._list(self.folder))
        return sorted(
            int(name)
            for name in found
            if name.isascii()
            and name.isdecimal()
            and f"{PARTIAL_PREFIX}{name}" not in found
        )

    @contextlib.contextmanager
    def stage(self, version: int) -> Iterator[pathlib.Path]:
        """Gives a temporary folder of this machine."""
        with tempfile.TemporaryDirectory(prefix=f"clickwright-{version}-") as folder:
            yield pathlib.Path(folder, str(version))

    def appear(self, staged: pathlib.Path, version: int, manifest: Manifest) -> None:
        """Uploads the staged folder: the graph last but one, the manifest last."""
        mark = self._at(f"{PARTIAL_PREFIX}{version}")
        with self._answers():
            if not self._create(mark, uuid.uuid4().hex, MODEL_LEASE_SECONDS):
                raise MachineError(
                    f"Another process is writing version {version}.",
                    where=self.folder,
                    fix="run the same command again",
                )
            for name in sorted(manifest.files, key=lambda n: (n == _SAVED_MODEL, n)):
                self._files.put_file(str(staged / name), self._at(f"{version}/{name}"))
            self._check(version, manifest)
            self._files.put_file(
                str(staged / MANIFEST_PATH), self._at(f"{version}/{MANIFEST_PATH}")
            )
            self._files.rm_file(mark)

    def manifest(self, version: int) -> Manifest:
        """Downloads a version's manifest."""
        address = self._at(f"{version}/{MANIFEST_PATH}")
        with self._answers():
            try:
                return Manifest.model_validate_json(self._files.cat_file(address))
            except (FileNotFoundError, ValueError) as error:
                raise DataError(
                    f"`{MANIFEST_PATH}` cannot be read: "
                    f"{' '.join(str(error).split())}.",
                    where=self._at(str(version)),
                    fix="publish the model again",
                ) from error

    def verify(self, version: int) -> Manifest:
        """Downloads every object of a version and checks it against the manifest."""
        manifest = self.manifest(version)
        with self._answers():
            self._check(version, manifest)
        return manifest

    def download(self, version: int, below: str, target: pathlib.Path) -> None:
        """Downloads the objects of a folder of a version."""
        folder = self._at(f"{version}/{below}")
        start = len(self._files._strip_protocol(folder))
        with self._answers():
            for path in self._files.find(folder):
                local = path_below(target, path[start:].lstrip("/"), folder)
                local.parent.mkdir(parents=True, exist_ok=True)
                self._files.get_file(path, str(local))

    def remove(self, version: int) -> None:
        """Marks a version as partial, then deletes its objects."""
        mark = self._at(f"{PARTIAL_PREFIX}{version}")
        with self._answers():
            self._files.pipe_file(mark, b"")
            self._delete(version)

    def remove_leftovers(self) -> None:
        """Deletes what is marked as partial: its writer no longer has the lock."""
        with self._answers():
            for name in self._list(self.folder):
                if name.startswith(PARTIAL_PREFIX):
                    log.info("Removing what an interrupted publish left: %s", name)
                    self._delete(int(name.removeprefix(PARTIAL_PREFIX)))

    def read(self, name: str) -> str | None:
        """Downloads a file of the root."""
        with self._answers():
            try:
                return str(self._files.cat_file(self._of_root(name)), "utf-8")
            except FileNotFoundError:
                return None

    def write(self, name: str, text: str) -> None:
        """Uploads a file of the root in one request."""
        with self._answers():
            self._files.pipe_file(self._of_root(name), text.encode())

    def _check(self, version: int, manifest: Manifest) -> None:
        """Compares the objects of a version with the manifest."""
        folder = self._at(str(version))
        found = {}
        for path in self._files.find(folder):
            name = path[len(self._files._strip_protocol(folder)) :].lstrip("/")
            if name == MANIFEST_PATH:
                continue
            digest, size = hashlib.sha256(), 0
            with self._files.open(path, "rb") as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
                    size += len(chunk)
            found[name] = FileEntry(sha256=digest.hexdigest(), size=size)
        check_files(manifest, found, folder)

    def _delete(self, version: int) -> None:
        """Deletes a version's objects, the graph first, and its mark last."""
        folder = self._at(str(version))
        paths = self._files.find(folder)
        paths.sort(key=lambda path: posixpath.basename(path) != _SAVED_MODEL)
        for path in paths:
            self._files.rm_file(path)
        self._files.rm_file(self._at(f"{PARTIAL_PREFIX}{version}"))

    def _list(self, folder: str) -> list[str]:
        """Names of what lies in a folder, in order; none if there is no such folder."""
        try:
            found = self._files.ls(folder, detail=False)
        except FileNotFoundError:
            return []
        return sorted(posixpath.basename(path.rstrip("/")) for path in found)

    @contextlib.contextmanager
    def _lease(self, lock: str, seconds: int, patience: float) -> Iterator[None]:
        """Holds the lock object `lock` for `seconds` at most.

        Raises:
            MachineError: another writer holds it, and did for `patience` seconds.
        """
        token = uuid.uuid4().hex
        give_up = time.monotonic() + patience
        while not self._take(lock, token, seconds):
            holder = self._holder(lock)
            if time.monotonic() >= give_up:
                raise MachineError(
                    f"Another process is changing the versions of `{self.model_name}`: "
                    f"{holder.get('by', 'it has just ended')}.",
                    where=posixpath.dirname(lock),
                    fix="wait until it is done, then run the same command again",
                )
            time.sleep(0.5)
        try:
            yield
        finally:
            if self._holder(lock).get("token") == token:
                self._files.rm_file(lock)

    def _take(self, lock: str, token: str, seconds: int) -> bool:
        """Creates the lock object; where an outlived one lies, replaces it."""
        if self._create(lock, token, seconds):
            return True
        holder = self._holder(lock)
        if not holder or holder["until"] > time.time():
            return False
        # Of all who find the outlived lock one may remove it, and only that one: by
        # now another could have taken its place.
        heir = f"{lock}-{holder['token']}"
        if not self._take(heir, token, ROOT_LEASE_SECONDS):
            return False
        try:
            if self._holder(lock) == holder:
                log.warning("A lock has outlived its writer: %s", holder["by"])
                self._files.rm_file(lock)
            return self._create(lock, token, seconds)
        finally:
            self._files.rm_file(heir)

    def _create(self, lock: str, token: str, seconds: int) -> bool:
        """Creates an object unless it exists; whether it is now this writer's."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        content = {
            "token": token,
            "by": f"process {os.getpid()} of {os.uname().nodename} since {now}",
            "until": time.time() + seconds,
        }
        try:
            self._files.pipe_file(lock, json.dumps(content).encode(), mode="create")
        except Exception as error:
            # Not each file system says that it exists. And a request that was sent
            # again after its answer got lost finds the object that it made itself.
            holder = self._holder(lock)
            if not holder and not isinstance(error, FileExistsError):
                raise
            return bool(holder.get("token") == token)
        return True

    def _holder(self, lock: str) -> dict[str, Any]:
        """What the lock's holder says of itself; empty when nobody holds it."""
        try:
            return dict(json.loads(self._files.cat_file(lock)))
        except FileNotFoundError:
            return {}

    def _at(self, name: str) -> str:
        return f"{self.folder}/{name}"

    def _of_root(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}"

    @contextlib.contextmanager
    def _answers(self) -> Iterator[None]:
        """Says in one way what the libraries of the services say in many."""
        try:
            yield
        except (ClickwrightError, OSError):
            raise
        except Exception as error:
            # The callers' own code runs inside two of these too.
            if type(error).__module__.partition(".")[0] not in _SERVICE_PACKAGES:
                raise
            raise MachineError(
                f"The storage does not answer: {type(error).__name__}: "
                f"{' '.join(str(error).split()).rstrip('.')}.",
                where=self.root,
                fix="check the address, the network and the credentials in the "
                "environment",
            ) from error


_SERVICE_PACKAGES = ("botocore", "aiobotocore", "aiohttp", "gcsfs", "google")
