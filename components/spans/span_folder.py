"""A log that lies in spans."""

import functools
import hashlib
import pathlib
import re
from collections.abc import Sequence

from clickwright.schemas.errors import DataError

_NAME = re.compile(r"span-(\d+)")


class SpanFolder:
    """A folder of `span-<number>` folders.

    Args:
        folder: the folder above them.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder

    @functools.cached_property
    def paths(self) -> dict[int, pathlib.Path]:
        """The spans' folders by number, in order.

        Raises:
            DataError: there is none, or two have one number.
        """
        found: dict[int, pathlib.Path] = {}
        for path in sorted(self.folder.iterdir() if self.folder.is_dir() else ()):
            name = _NAME.fullmatch(path.name)
            if name is None or not path.is_dir():
                continue
            number = int(name[1])
            if number in found:
                raise DataError(
                    f"The span {number} is there twice: {found[number].name} and "
                    f"{path.name}.",
                    where=str(self.folder),
                    fix="remove one of them, or give the newer rows a new number",
                )
            found[number] = path
        if not found:
            raise DataError(
                "There are no spans.",
                where=str(self.folder),
                fix="lay the files into `span-1/`, `span-2/` and so on, or leave out "
                "`incremental`",
            )
        return dict(sorted(found.items()))

    def files(self, span: int, split: str) -> list[pathlib.Path]:
        """Files of a split of a span, in order, without marks such as `_SUCCESS`.

        Raises:
            DataError: there is none.
        """
        folder = self.paths[span] / split
        files = [
            path
            for path in sorted(folder.glob("*"))
            if path.is_file() and not path.name.startswith((".", "_"))
        ]
        if not files:
            raise DataError(
                "There is no file to read.",
                where=str(folder),
                fix="put the log files there, or remove the span's folder",
            )
        return files

    def stat(self, span: int, splits: Sequence[str]) -> str:
        """Digest of names, sizes and times of a span's files; of no content."""
        digest = hashlib.sha256()
        for split in splits:
            for file in self.files(span, split):
                stat = file.stat()
                part = f"{split}/{file.name}\0{stat.st_size}\0{stat.st_mtime_ns}\0"
                digest.update(part.encode())
        return digest.hexdigest()

    def fingerprint(self, span: int, splits: Sequence[str]) -> str:
        """Digest of names and content of a span's files."""
        digest = hashlib.sha256()
        for split in splits:
            for file in self.files(span, split):
                with file.open("rb") as stream:
                    content = hashlib.file_digest(stream, "sha256").hexdigest()
                digest.update(f"{split}/{file.name}\0{content}\0".encode())
        return digest.hexdigest()
