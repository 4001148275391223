"""What a published version holds, file by file, so that damage can be named."""

import hashlib
import os
import pathlib
from collections.abc import Mapping
from typing import Annotated, Literal, NoReturn, Self

import pydantic
from pydantic import Field

from clickwright.schemas.errors import DataError
from clickwright.schemas.strict_yaml import StrictModel

MANIFEST_PATH = "assets.extra/clickwright_manifest.json"
"""Where the manifest lies in a version; model servers ignore `assets.extra`."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class FileEntry(StrictModel):
    """One file of a version."""

    sha256: Sha256
    size: Annotated[int, Field(ge=0)]
    """Bytes."""


class Manifest(StrictModel):
    """The files of one published version, and where they come from."""

    format: Literal[1] = 1
    model_name: str
    version: Annotated[int, Field(ge=0)]
    published_at: str
    """UTC, ISO 8601."""
    digest: Sha256
    """Of all files together; see `digest_of`."""
    files: Annotated[dict[str, FileEntry], Field(min_length=1)]
    """By path below the version's folder; the manifest itself is not among them."""
    provenance: dict[str, str]

    @pydantic.model_validator(mode="after")
    def _digest_fits(self) -> Self:
        if self.digest != digest_of(self.files):
            raise ValueError("`digest` is not that of `files`")
        return self


def hash_files(folder: pathlib.Path) -> dict[str, FileEntry]:
    """Reads and hashes every file below `folder`, except a manifest.

    Raises:
        DataError: something in the folder is neither a plain file nor a folder.
        OSError: a file cannot be read.
    """
    files = {}
    for parent, folders, names in os.walk(folder, onerror=_raise):
        for path in (pathlib.Path(parent, name) for name in (*folders, *names)):
            name = path.relative_to(folder).as_posix()
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise DataError(
                    f"`{name}` is neither a plain file nor a folder.",
                    where=str(folder),
                    fix="export the model into plain files",
                )
            if path.is_file() and name != MANIFEST_PATH:
                with path.open("rb") as file:
                    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                    files[name] = FileEntry(sha256=sha256, size=file.tell())
    return dict(sorted(files.items()))


def digest_of(files: Mapping[str, FileEntry]) -> str:
    """SHA-256 of the lines that `sha256sum` prints for the files in path order."""
    lines = "".join(f"{files[name].sha256}  {name}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def read_manifest(version_dir: pathlib.Path) -> Manifest:
    """Reads the manifest of a version, without looking at the other files.

    Raises:
        DataError: there is no manifest, or it is damaged.
    """
    path = version_dir / MANIFEST_PATH
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except (OSError, pydantic.ValidationError) as error:
        raise DataError(
            f"`{MANIFEST_PATH}` cannot be read: {' '.join(str(error).split())}.",
            where=str(version_dir),
            fix="publish the model again",
        ) from error


def verify(version_dir: pathlib.Path) -> Manifest:
    """Checks every file of a version against its manifest.

    Raises:
        DataError: names each file that is missing, changed or not in the manifest.
    """
    manifest = read_manifest(version_dir)
    try:
        found = hash_files(version_dir)
    except OSError as error:
        raise DataError(
            f"A file cannot be read: {error}.",
            where=str(version_dir),
            fix="mend the disk or the rights, or publish the model again",
        ) from error
    check_files(manifest, found, str(version_dir))
    return manifest


def check_files(manifest: Manifest, found: Mapping[str, FileEntry], where: str) -> None:
    """Compares the files found in a version with those in its manifest.

    Raises:
        DataError: names each file that is missing, changed or not in the manifest.
    """
    problems = []
    for name in sorted(manifest.files.keys() | found.keys()):
        expected, actual = manifest.files.get(name), found.get(name)
        if actual is None:
            problems.append(f"`{name}` is missing.")
        elif expected is None:
            problems.append(f"`{name}` is not in the manifest.")
        elif actual.size != expected.size:
            problems.append(
                f"`{name}` must have {expected.size} bytes. Received: {actual.size}."
            )
        elif actual.sha256 != expected.sha256:
            problems.append(
                f"`{name}` must have the SHA-256 {expected.sha256}. "
                f"Received: {actual.sha256}."
            )
    if problems:
        raise DataError(
            " ".join(problems),
            where=where,
            fix="publish the model again; never change a published version",
        )


def _raise(error: OSError) -> NoReturn:
    """Makes `os.walk` stop at a folder that cannot be read, not pass over it."""
    raise error
