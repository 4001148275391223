"""Data sets whose raw files are public: found, checked, fetched."""

import dataclasses
import hashlib
import pathlib
import tempfile
from collections.abc import Sequence
from typing import ClassVar

from clickwright.schemas.download import copy, download, unpack
from clickwright.schemas.errors import ConfigError, DataError, storage_error
from clickwright.schemas.source import Source, progress


@dataclasses.dataclass(frozen=True)
class RawFile:
    """What is known of a raw file.

    Attributes:
        name: its name.
        rows: its lines, a header not counted, or of a `.parquet` file its rows; None
            of a file that has neither.
        md5: its checksum; None where good copies differ in their bytes.
        header: whether the first line names the columns.
    """

    name: str
    rows: int | None
    md5: str | None
    header: bool = True


class FileSource(Source):
    """A source that reads files which the user has or fetches.

    Subclasses state where the files are and what is known of them.
    """

    address: ClassVar[str | None] = None
    """Public address of the zip archive that holds the files of `layouts[0]`; None
    where there is none."""
    address_md5: ClassVar[str | None] = None
    base_address: ClassVar[str | None] = None
    """Public address of the folder that holds the files of `layouts[0]` where there is
    no archive. Without either users bring the files."""
    subfolder: ClassVar[str]
    """Folder of the files inside the raw folder; they may lie in that itself too."""
    layouts: ClassVar[Sequence[tuple[RawFile, ...]]]
    """Sets of files, each enough on its own, the preferred one first."""

    @classmethod
    def find(cls, raw: pathlib.Path | None) -> tuple[pathlib.Path, tuple[RawFile, ...]]:
        """Returns the folder that holds the raw files, and which of them.

        Raises:
            DataError: no folder is given, or none of the layouts is complete in it.
        """
        fix = (
            f"give the folder of the raw files with `--data`, or fetch them with "
            f"`{cls._command()}`"
        )
        if raw is None:
            raise DataError(f"The raw files of `{cls.name}` are needed.", fix=fix)
        places = (raw / cls.subfolder, raw)
        for place in places:
            for layout in cls.layouts:
                if all((place / file.name).is_file() for file in layout):
                    return place, layout
        _, place, layout = max(
            (
                (sum((place / file.name).is_file() for file in layout), place, layout)
                for place in places
                for layout in cls.layouts
            ),
            key=lambda candidate: candidate[0],
        )
        absent = next(file for file in layout if not (place / file.name).is_file())
        choices = " or ".join(
            "(" + ", ".join(file.name for file in layout) + ")"
            for layout in cls.layouts
        )
        raise DataError(
            f"The file is absent. `{cls.name}` needs {choices}.",
            where=str(place / absent.name),
            fix=fix,
        )

    def raw_fingerprint(self, raw: pathlib.Path | None) -> str:
        """Checks row counts and checksums; returns the digest of them all."""
        place, layout = self.find(raw)
        return " ".join(
            f"{file.name}:{self._verified(place / file.name, file)}" for file in layout
        )

    @classmethod
    def fetch(cls, target: pathlib.Path, mirror: str | None = None) -> None:
        """Lays the raw files below `target`, unless whole ones are there already.

        Args:
            target: folder for the raw files.
            mirror: folder, or base address, that holds the archive, or the raw files
                themselves where there is no archive; or folder that holds these.
        """
        if cls._is_whole(target):
            progress.info("The raw files are there", extra={"detail": "already there"})
            return
        names = ", ".join(file.name for file in cls.layouts[0])
        archive = cls.address.rsplit("/", 1)[1] if cls.address else None
        if mirror is None:
            mirror = cls.base_address
        if mirror is None:
            if cls.address is None:
                raise ConfigError(
                    f"`{cls.name}` has no public address to fetch it from.",
                    fix=f"give a folder of yours that holds {names}: "
                    f"`{cls._command()}`",
                )
            cls._fetch_archive(cls.address, target)
        elif mirror.startswith(("http://", "https://")):
            base = mirror.rstrip("/")
            if archive is None:
                cls._fetch_files(base, target)
            else:
                cls._fetch_archive(f"{base}/{archive}", target)
        elif archive is not None and (pathlib.Path(mirror) / archive).is_file():
            copy(pathlib.Path(mirror) / archive, target / archive, cls.address_md5)
            cls._unpack(target / archive, target)
        elif pathlib.Path(mirror).is_dir():
            cls._copy_files(pathlib.Path(mirror), target)
        else:
            raise ConfigError(
                f"`--mirror` must be a folder or an http(s) address. Received: "
                f"{mirror!r}.",
                fix=f"give the folder that holds {archive or names}",
            )

    @classmethod
    def _command(cls) -> str:
        """The command that fetches the raw files."""
        public = cls.address or cls.base_address
        folder = "" if public else " --mirror FOLDER"
        return f"clickwright data get {cls.name}{folder}"

    @classmethod
    def _is_whole(cls, target: pathlib.Path) -> bool:
        try:
            cls().raw_fingerprint(target)
        except DataError:
            return False
        return True

    @classmethod
    def _fetch_archive(cls, address: str, target: pathlib.Path) -> None:
        archive = target / address.rsplit("/", 1)[1]
        download(address, archive, cls.address_md5)
        cls._unpack(archive, target)

    @classmethod
    def _fetch_files(cls, base: str, target: pathlib.Path) -> None:
        for file in cls.layouts[0]:
            path = target / cls.subfolder / file.name
            download(f"{base}/{file.name}", path, file.md5)

    @classmethod
    def _copy_files(cls, mirror: pathlib.Path, target: pathlib.Path) -> None:
        place, layout = cls.find(mirror)
        for file in layout:
            cls._verified(place / file.name, file)
            copy(place / file.name, target / cls.subfolder / file.name, file.md5)

    @classmethod
    def _unpack(cls, archive: pathlib.Path, target: pathlib.Path) -> None:
        """Files take their names in `target` only after all of them were checked.

        The archive does not stay.
        """
        layout = cls.layouts[0]
        try:
            with tempfile.TemporaryDirectory(dir=target, prefix=".unpack-") as name:
                staging = pathlib.Path(name)
                unpack(archive, staging, [file.name for file in layout])
                for file in layout:
                    where = f"{archive}: {file.name}"
                    cls._verified(staging / file.name, file, where)
                folder = target / cls.subfolder
                try:
                    folder.mkdir(exist_ok=True)
                    for file in layout:
                        (staging / file.name).replace(folder / file.name)
                except OSError as error:
                    raise storage_error(error, folder) from error
        finally:
            archive.unlink()

    @classmethod
    def _verified(cls, path: pathlib.Path, file: RawFile, where: str = "") -> str:
        """Returns the md5 of `path` if it is what `file` says."""
        digest, lines, last = hashlib.md5(usedforsecurity=False), 0, b"\n"
        with path.open("rb") as content:
            while chunk := content.read(1 << 20):
                digest.update(chunk)
                lines += chunk.count(b"\n")
                last = chunk[-1:]
        fix = f"fetch it again with `{cls._command()}`"
        if file.rows is not None and file.name.endswith(".parquet"):
            rows = _parquet_rows(path, where or str(path), fix)
        else:
            rows = max(lines + (last != b"\n") - file.header, 0)
        if file.rows is not None and rows != file.rows:
            raise DataError(
                f"The file has {rows:,} rows; expected: {file.rows:,}.",
                where=where or str(path),
                fix=fix,
            )
        if file.md5 is not None and digest.hexdigest() != file.md5:
            raise DataError(
                f"The checksum is wrong. Received: md5 {digest.hexdigest()}; "
                f"expected: {file.md5}.",
                where=where or str(path),
                fix=fix,
            )
        return digest.hexdigest()


def _parquet_rows(path: pathlib.Path, where: str, fix: str) -> int:
    # Imported here: the command line reads this module and needs no Arrow.
    import pyarrow
    import pyarrow.parquet

    try:
        return int(pyarrow.parquet.read_metadata(path).num_rows)
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(
            f"The file cannot be read as Parquet: {error}.", where=where, fix=fix
        ) from error
