"""What lies on the disk for a model server to load."""

import os
import pathlib
import stat

import grpc

from clickwright.schemas.errors import DataError
from clickwright.schemas.manifest import MANIFEST_PATH, read_manifest
from clickwright.serving.server.serving_error import ServingError


def versions_in(base_path: pathlib.Path) -> dict[int, pathlib.Path]:
    """Returns the folders whose names are version numbers.

    Raises:
        OSError: the base path cannot be listed.
    """
    with os.scandir(base_path) as entries:
        return {
            int(entry.name): pathlib.Path(entry.path)
            for entry in entries
            if entry.name.isascii() and entry.name.isdecimal() and entry.is_dir()
        }


def snapshot(folder: pathlib.Path) -> frozenset[tuple[str, int, int]]:
    """Returns name, size and time of change of each file: it differs if one does."""
    found = set()
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            try:
                status = os.stat(path)
            except OSError:  # it goes away while we look
                continue
            if stat.S_ISREG(status.st_mode):
                found.add((path, status.st_size, status.st_mtime_ns))
    return frozenset(found)


def check_whole(folder: pathlib.Path) -> None:
    """Compares a version with its manifest: the files' sizes, not their content.

    A version without a manifest passes: another tool has written it, and loading it
    shows whether it is whole.

    Raises:
        ServingError: a file is missing or has another size, or the manifest is
            damaged.
    """
    if not (folder / MANIFEST_PATH).is_file():
        return
    try:
        files = read_manifest(folder).files
    except DataError as error:
        raise ServingError(grpc.StatusCode.DATA_LOSS, str(error)) from error
    for name, entry in files.items():
        try:
            size = (folder / name).stat().st_size
        except OSError as error:
            raise ServingError(
                grpc.StatusCode.NOT_FOUND,
                f"The version is not whole: {folder / name} is missing",
            ) from error
        if size != entry.size:
            raise ServingError(
                grpc.StatusCode.DATA_LOSS,
                f"The version is not whole: {folder / name} has {size} bytes; its "
                f"manifest says {entry.size}",
            )
