"""Files from a public address: resumed, checked, and whole or absent."""

import hashlib
import http
import http.client
import logging
import os
import pathlib
import shutil
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Collection
from typing import IO

from clickwright.schemas.errors import DataError, MachineError, storage_error

TIMEOUT_SECONDS = 30.0
CHUNK_BYTES = 1 << 18
LARGEST_MEMBER_BYTES = 1 << 28
"""No file of a data set is larger; an archive that says so is not ours."""

progress = logging.getLogger("clickwright.progress")


def download(url: str, path: pathlib.Path, md5: str | None) -> None:
    """Fetches one file; what an earlier, interrupted try left is continued.

    The bytes gather in `<path>.part`, which takes the final name once it is whole
    and its checksum is right.

    Args:
        url: an http or https address.
        path: where the file goes; its folder is made.
        md5: checksum of the file; None when the caller checks what is inside.

    Raises:
        MachineError: the address cannot be reached, the connection broke, or the
            file cannot be written. The part stays for the next try.
        DataError: the address has no such file, or the checksum is wrong; nothing
            stays.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as file:
            _receive(url, file, path.name)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise storage_error(error, part) from error
    if md5 is not None:
        _check(part, md5, url)
    part.replace(path)


def copy(source: pathlib.Path, path: pathlib.Path, md5: str | None = None) -> None:
    """Copies one file, checked and whole or absent as by `download`."""
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, part)
    except OSError as error:
        raise storage_error(error, part) from error
    if md5 is not None:
        _check(part, md5, str(source))
    part.replace(path)


def unpack(
    archive: pathlib.Path, directory: pathlib.Path, names: Collection[str]
) -> None:
    """Writes the named files of a zip archive, and no others, into `directory`.

    Folders inside the archive are ignored: whatever paths it holds, nothing is
    written outside `directory`.

    Raises:
        DataError: the archive is damaged, lacks one of the files, holds it twice,
            or holds one that is too large.
        MachineError: the files cannot be written.
    """
    fix = f"delete {archive} and fetch it again"
    try:
        with zipfile.ZipFile(archive) as content:
            members = content.infolist()
            for name in names:
                found = [
                    m for m in members if pathlib.PurePath(m.filename).name == name
                ]
                if len(found) != 1 or found[0].file_size > LARGEST_MEMBER_BYTES:
                    sizes = [f"{m.file_size:,} bytes" for m in found]
                    raise DataError(
                        f"The archive must hold `{name}` once, of at most "
                        f"{LARGEST_MEMBER_BYTES:,} bytes. Received: {sizes}.",
                        where=str(archive),
                        fix=fix,
                    )
                _extract(content, found[0], directory / name)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise DataError(
            f"Not a whole zip archive: {error}.", where=str(archive), fix=fix
        ) from error


def _receive(url: str, file: IO[bytes], name: str) -> None:
    """Appends to `file` what it lacks of `url`."""
    start = file.tell()
    headers = {"Accept-Encoding": "identity"}  # ranges count the bytes of the file
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(url, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if start and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # nothing is missing; the checksum decides
        raise DataError(
            f"The server refused the file: {error.code} {error.reason}.",
            where=url,
            fix="give another address with `--mirror`",
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise _network_error(error, url) from error
    with response:
        if start and response.status != http.HTTPStatus.PARTIAL_CONTENT:
            file.truncate(0)  # the server does not resume
            start = 0
        length = response.headers["Content-Length"]
        total = start + int(length) if length else None
        done, told = start, 0.0
        while True:
            try:
                chunk = response.read(CHUNK_BYTES)
            except (OSError, http.client.HTTPException) as error:
                raise _network_error(error, url) from error
            if not chunk:
                break
            file.write(chunk)
            done += len(chunk)
            if time.monotonic() - told > 0.5:
                told = time.monotonic()
                _tell(name, done, total)
    if total is not None and done < total:
        raise _network_error(
            f"the connection closed after {done:,} of {total:,} bytes", url
        )
    _tell(name, done, total)


def _tell(name: str, done: int, total: int | None) -> None:
    of = f" of {total / 1e6:.1f}" if total else ""
    detail = f"{name}: {done / 1e6:.1f}{of} MB"
    progress.info("%s", detail, extra={"detail": detail})


def _network_error(error: Exception | str, url: str) -> MachineError:
    reason = getattr(error, "reason", None) or error
    return MachineError(
        f"The file cannot be fetched: {reason}.",
        where=url,
        fix="check the network, then run the same command again: it resumes; or "
        "give a copy with `--mirror`",
    )


def _check(part: pathlib.Path, md5: str, origin: str) -> None:
    with part.open("rb") as file:
        received = hashlib.file_digest(file, "md5").hexdigest()
    if received != md5:
        part.unlink()
        raise DataError(
            f"The checksum is wrong. Received: md5 {received}; expected: {md5}.",
            where=origin,
            fix="fetch it again; if that does not help, give another copy with "
            "`--mirror`",
        )


def _extract(
    content: zipfile.ZipFile, member: zipfile.ZipInfo, path: pathlib.Path
) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with content.open(member) as source, path.open("wb") as file:
            shutil.copyfileobj(source, file)
    except OSError as error:
        raise storage_error(error, path) from error
