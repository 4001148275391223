"""The versions that a model server finds, and how one gets among them."""

import contextlib
import dataclasses
import datetime
import errno
import functools
import logging
import pathlib
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping

from clickwright.components.publisher.folder_storage import FolderStorage
from clickwright.components.publisher.object_storage import ObjectStorage
from clickwright.components.publisher.release_book import ReleaseBook
from clickwright.components.publisher.release_record import (
    CANARY,
    STABLE,
    Action,
    Label,
)
from clickwright.components.publisher.storage import Storage
from clickwright.schemas.errors import ConfigError, DataError, MachineError
from clickwright.schemas.manifest import (
    MANIFEST_PATH,
    FileEntry,
    Manifest,
    digest_of,
    hash_files,
    verify,
)

SAVED_MODEL_FILE_NAME = "saved_model.pb"

_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_MEGABYTE = 1_000_000

log = logging.getLogger(__name__)
progress = logging.getLogger("clickwright.progress")


def storage_of(root: str | pathlib.Path, model_name: str) -> Storage:
    """Returns what keeps the versions of a model below a serving root.

    Raises:
        ConfigError: the root's scheme is not known.
        MachineError: the package for the scheme is not installed.
    """
    address = str(root).removeprefix("file://")
    if "://" in address:
        return ObjectStorage(address, model_name)
    return FolderStorage(pathlib.Path(address), model_name)


@dataclasses.dataclass(frozen=True)
class VersionStore:
    """The versions of one model: `<root>/<model_name>/<version>`.

    A version is whole from the moment it can be seen: it is staged, checked and then
    shown, see `FolderStorage` and `ObjectStorage`. One writer works at a time; a second
    one is told so.

    Attributes:
        root: the serving root: a folder, or an address that starts with `s3://` or
            `gs://`.
        model_name: name under which a model server offers the model.
        keep: how many versions stay, the newest included. A version that is served,
            or was until this change, stays beside these.

    Raises:
        ConfigError: an argument breaks its rule.
        MachineError: the package for the root's scheme is not installed.
    """

    root: str | pathlib.Path
    model_name: str
    keep: int = 5

    def __post_init__(self) -> None:
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
        _ = self.storage

    @functools.cached_property
    def storage(self) -> Storage:
        """Where the versions are."""
        return storage_of(self.root, self.model_name)

    @functools.cached_property
    def book(self) -> ReleaseBook:
        """Which of them are served."""
        return ReleaseBook(self.storage, self.model_name)

    @property
    def folder(self) -> str:
        """The model's folder, absolute: the `base_path` of a model server."""
        return self.storage.folder

    def address(self, version: int) -> str:
        """The folder of a version."""
        return f"{self.folder}/{version}"

    def versions(self) -> list[int]:
        """The published versions, oldest first; empty if there is none."""
        return self.storage.versions()

    def publish(
        self,
        model: pathlib.Path,
        *,
        provenance: Mapping[str, str],
        check: Callable[[pathlib.Path], None] | None = None,
        label: Label | None = None,
    ) -> Manifest:
        """Makes the SavedModel in `model` the newest version, then prunes.

        If the newest version already holds exactly these files it is kept, and its
        manifest is returned: a repeated publish changes nothing. A release that was
        taken back is not released again by it.

        Args:
            model: folder with `saved_model.pb`; it is only read.
            provenance: what the manifest says about the model's origin.
            check: is given the staged copy; what it raises stops the publish.
            label: the label that the version gets, see `ReleaseBook.assign`; None
                leaves the server's config file alone.

        Returns:
            The manifest of the version that is now the newest.

        Raises:
            ConfigError: the server's config file is damaged.
            DataError: `model` is no SavedModel, or changed while it was copied.
            MachineError: another writer is at work, or the destination cannot be
                written or has no space. Nothing half-written is left, and what is
                served is as it was.
        """
        if not (model / SAVED_MODEL_FILE_NAME).is_file():
            raise DataError(
                f"There is no SavedModel: `{SAVED_MODEL_FILE_NAME}` is missing.",
                where=str(model),
                fix="let the trainer finish its export first",
            )
        with self._disk_errors("published", model), self.storage.change_model():
            self.storage.remove_leftovers()
            served = self.book.served(self.versions())
            files = hash_files(model)
            manifest = self._newest_if_equal(files)
            if manifest is None:
                manifest = self._add(model, files, provenance, check)
            else:
                progress.info(
                    "unchanged", extra={"detail": f"version {manifest.version} has it"}
                )
            if label is not None:
                self._release(label, manifest.version)
            # A server needs a moment to follow, and has the ones before till then.
            self._prune({*served, *self.book.served(self.versions())})
        return manifest

    def promote(self, version: int | None = None, label: Label = STABLE) -> int:
        """Gives a version a label.

        Args:
            version: one of `versions()`; None for the one on trial, or for the newest
                where none is or `label` is that of the one on trial.
            label: the label.

        Returns:
            The version.

        Raises:
            ConfigError: the config file is damaged; it is left as it is.
            DataError: there is no such version, or it is damaged.
            MachineError: another writer is at work, or the root cannot be written.
        """
        with self._disk_errors("changed"), self.storage.change_model():
            versions = self._some_versions()
            if version is None:
                labels = self.book.labels()
                version = versions[-1]
                if label == STABLE and labels.get(CANARY) in versions:
                    version = labels[CANARY]
                    if version == labels.get(STABLE):
                        version = versions[-1]
            self._label(label, version, versions, "promote")
        return version

    def rollback(self, label: Label = STABLE) -> int:
        """Takes a release back.

        Args:
            label: `stable` goes to the stable version before, and the one on trial
                with it; `canary` to the stable version, which ends the trial.

        Returns:
            The version that has the label now.

        Raises:
            ConfigError: the config file is damaged; it is left as it is.
            DataError: there is no version to go back to, or it is damaged.
            MachineError: another writer is at work, or the root cannot be written.
        """
        with self._disk_errors("changed"), self.storage.change_model():
            versions = self._some_versions()
            before = (
                self.book.before(versions)
                if label == STABLE
                else self.book.labels().get(STABLE)
            )
            if before is None:
                raise DataError(
                    "There is no earlier release to go back to. Versions: "
                    f"{_listed(versions)}.",
                    where=self.folder,
                    fix=f"name another version: `clickwright models promote "
                    f"{self.model_name} VERSION`",
                )
            self._label(label, before, versions, "rollback")
        return before

    def collect(
        self, *, in_use: Collection[int] = (), dry_run: bool = False
    ) -> list[int]:
        """Removes the versions that are neither among the newest nor served.

        Args:
            in_use: versions that stay too.
            dry_run: whether to say only which would be removed.

        Returns:
            The versions removed.

        Raises:
            ConfigError: the config file is damaged.
            MachineError: another writer is at work, or a version cannot be removed.
        """
        with self._disk_errors("changed"), self.storage.change_model():
            old = self._old({*in_use, *self.book.served(self.versions())})
            if not dry_run:
                self.storage.remove_leftovers()
                for version in old:
                    self.storage.remove(version)
        return old

    def _newest_if_equal(self, files: Mapping[str, FileEntry]) -> Manifest | None:
        versions = self.versions()
        if not versions:
            return None
        try:
            if self.storage.manifest(versions[-1]).digest == digest_of(files):
                return self.storage.verify(versions[-1])
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
        with self.storage.stage(version) as staging:
            for name in files:
                target = staging / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(model / name, target)
            target = staging / MANIFEST_PATH
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(manifest.model_dump_json(indent=1))
            verify(staging)
            if check is not None:
                progress.info("checking", extra={"detail": f"version {version}"})
                check(staging)
            self.storage.appear(staging, version, manifest)
        progress.info("published", extra={"detail": f"version {version}"})
        return manifest

    def _release(self, label: Label, version: int) -> None:
        released = {change.version for change in self.book.record().history}
        if version not in released:
            self._label(label, version, self.versions(), "publish")
        elif version not in self.book.labels().values():
            progress.info(
                "not released",
                extra={"detail": f"version {version} was taken back: promote it"},
            )

    def _label(
        self, label: Label, version: int, versions: Collection[int], action: Action
    ) -> None:
        if version not in versions:
            raise DataError(
                f"There is no version {version}. Versions: {_listed(versions)}.",
                where=self.folder,
                fix="name one of these",
            )
        if action != "publish":  # which has just looked
            self.storage.verify(version)
        labels = self.book.assign(label, version, versions, action)
        shown = ", ".join(f"{name} {labels[name]}" for name in labels)
        progress.info("labelled", extra={"detail": shown})

    def _some_versions(self) -> list[int]:
        versions = self.versions()
        if not versions:
            raise DataError(
                f"There is no version of `{self.model_name}`.",
                where=self.folder,
                fix="publish one first, or mend the name or the root",
            )
        return versions

    def _old(self, served: Collection[int]) -> list[int]:
        return [v for v in self.versions()[: -self.keep] if v not in served]

    def _prune(self, served: Collection[int]) -> None:
        for version in self._old(served):
            try:
                self.storage.remove(version)
            except (OSError, MachineError) as error:
                # The new version is published all the same.
                log.warning("An old version cannot be removed: %s", error)

    @contextlib.contextmanager
    def _disk_errors(
        self, done: str, model: pathlib.Path | None = None
    ) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if model is not None and error.errno in (errno.ENOSPC, errno.EDQUOT):
                needed = sum(p.stat().st_size for p in model.rglob("*") if p.is_file())
                scratch = self.storage.scratch
                free = shutil.disk_usage(scratch).free
                raise MachineError(
                    f"No space is left on the disk: the model needs "
                    f"{needed / _MEGABYTE:.1f} MB, {free / _MEGABYTE:.1f} MB are free.",
                    where=str(scratch),
                    fix="free some space there, or keep fewer versions",
                ) from error
            raise MachineError(
                f"The model cannot be {done}: {error}.",
                where=self.folder,
                fix="choose a destination that this user can write",
            ) from error


def _listed(versions: Collection[int]) -> str:
    return ", ".join(map(str, versions)) or "none"
