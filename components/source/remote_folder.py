"""A folder that may lie in a bucket."""

import contextlib
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import fsspec

from clickwright.schemas.errors import (
    ClickwrightError,
    ConfigError,
    DataError,
    MachineError,
)
from clickwright.schemas.path_below import path_below

_EXTRAS = {"s3": "s3", "gs": "gcs", "gcs": "gcs"}
_SPAN = re.compile(r"span-(\d+)")


class RemoteFolder:
    """Files below an address that fsspec knows, or below a folder of this machine.

    Credentials come from the environment alone.

    Args:
        address: such as `gs://bucket/logs` or `/data/logs`.

    Raises:
        MachineError: what the address's scheme needs is not installed.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        scheme = address.partition("://")[0] if "://" in address else "file"
        try:
            files, self._root = fsspec.core.url_to_fs(address, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            extra = _EXTRAS.get(scheme)
            raise MachineError(
                f"The address cannot be read: {error}.",
                where=address,
                fix=f"install `clickwright[{extra}]`"
                if extra
                else "give a folder, or an address that starts with gs:// or s3://",
            ) from error
        self._files: Any = files

    def names(self) -> list[str]:
        """All files, relative to the address, in order; marks like `_SUCCESS` aside.

        Raises:
            DataError: there is none.
            MachineError: the storage does not answer.
        """
        with self._answers():
            found = self._files.find(self._root)
        start = len(self._root.rstrip("/")) + 1
        names = sorted(path[start:] for path in found)
        names = [n for n in names if not n.rpartition("/")[2].startswith((".", "_"))]
        if not names:
            raise DataError(
                "There is no file to read.",
                where=self.address,
                fix="give the address of the log as the parameter `data`",
            )
        return names

    def copy(self, names: list[str], target: pathlib.Path) -> None:
        """Copies some of the files below a folder of this machine.

        Raises:
            DataError: a name leads out of the folder.
            MachineError: the storage does not answer, or the disk takes no more.
        """
        with self._answers():
            for name in names:
                path = path_below(target, name, self.address)
                path.parent.mkdir(parents=True, exist_ok=True)
                self._files.get_file(f"{self._root.rstrip('/')}/{name}", str(path))

    @contextlib.contextmanager
    def _answers(self) -> Iterator[None]:
        try:
            yield
        except ClickwrightError:
            raise
        except FileNotFoundError as error:
            raise DataError(
                f"There is no such file: {error}.",
                where=self.address,
                fix="give the address of the log as the parameter `data`",
            ) from error
        except Exception as error:
            raise MachineError(
                f"The storage does not answer: {type(error).__name__}: "
                f"{' '.join(str(error).split()).rstrip('.')}.",
                where=self.address,
                fix="check the address, the network and the credentials in the "
                "environment",
            ) from error


def spans(names: list[str]) -> dict[int, str]:
    """The folders `span-<number>` that hold some of the files, by number."""
    tops = {name.partition("/")[0] for name in names if "/" in name}
    matched = {top: _SPAN.fullmatch(top) for top in sorted(tops)}
    return {int(found[1]): top for top, found in matched.items() if found}


def given(data: str, what: str) -> str:
    """The address of the data.

    Args:
        data: the parameter, empty where none was given.
        what: what needs it.

    Raises:
        ConfigError: there is none.
    """
    if not data:
        raise ConfigError(
            f"There is no address of the data, which {what} needs.",
            where="the parameter `data`",
            fix="give it as `--param data=gs://bucket/folder`, or as `remote.data` in "
            "the configuration",
        )
    return data
