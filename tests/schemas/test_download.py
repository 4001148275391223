"""Fetching raw files from a server on this machine."""

import hashlib
import http.server
import io
import logging
import pathlib
import threading
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from clickwright.schemas.download import LARGEST_MEMBER_BYTES, download, unpack
from clickwright.schemas.errors import ConfigError, DataError, MachineError
from clickwright.schemas.file_source import FileSource, RawFile

CONTENT = bytes(range(256)) * 4096  # 1 MiB
MD5 = hashlib.md5(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.files` with ranges, and notes what was asked."""

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        content = server.files.get(self.path.lstrip("/"))
        wanted = self.headers["Range"]
        server.ranges.append(wanted)
        if content is None:
            self.send_error(404)
            return
        start = 0
        if wanted and server.resumes:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][: server.most])
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Keeps the test's output clean."""


class Server(http.server.ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {"file.bin": CONTENT}
        self.ranges: list[str | None] = []
        self.resumes = True
        self.most: int | None = None
        """Bytes after which the connection breaks."""
        self.address = f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def files_below(folder: pathlib.Path) -> list[str]:
    found = folder.rglob("*")
    return sorted(str(p.relative_to(folder)) for p in found if p.is_file())


def test_a_file_arrives_whole_and_its_progress_is_told(
    server: Server, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="clickwright.progress"):
        download(f"{server.address}/file.bin", tmp_path / "new" / "file.bin", MD5)

    assert (tmp_path / "new" / "file.bin").read_bytes() == CONTENT
    assert files_below(tmp_path) == ["new/file.bin"]
    assert vars(caplog.records[-1])["detail"] == "file.bin: 1.0 of 1.0 MB"


def test_an_interrupted_download_goes_on_where_it_stopped(
    server: Server, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "file.bin"
    server.most = 300_000
    with pytest.raises(MachineError) as caught:
        download(f"{server.address}/file.bin", path, MD5)
    assert "closed after 300,000 of 1,048,576 bytes" in caught.value.what
    assert "it resumes" in caught.value.fix
    assert files_below(tmp_path) == ["file.bin.part"]

    server.most = None
    download(f"{server.address}/file.bin", path, MD5)

    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-"]
    assert files_below(tmp_path) == ["file.bin"]


def test_a_server_that_does_not_resume_sends_it_all_again(
    server: Server, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:1000])
    server.resumes = False

    download(f"{server.address}/file.bin", tmp_path / "file.bin", MD5)

    assert server.ranges == ["bytes=1000-"]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_part_that_was_whole_already_is_taken(
    server: Server, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT)

    download(f"{server.address}/file.bin", tmp_path / "file.bin", MD5)

    assert server.ranges == [f"bytes={len(CONTENT)}-"]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("stale", [b"", b"of an older file", CONTENT + b"longer"])
def test_a_wrong_checksum_leaves_nothing(
    server: Server, tmp_path: pathlib.Path, stale: bytes
) -> None:
    (tmp_path / "file.bin.part").write_bytes(stale)
    expected = MD5 if stale else "0" * 32

    with pytest.raises(DataError) as caught:
        download(f"{server.address}/file.bin", tmp_path / "file.bin", expected)

    assert f"expected: {expected}" in caught.value.what
    assert caught.value.where == f"{server.address}/file.bin"
    assert files_below(tmp_path) == []

    download(f"{server.address}/file.bin", tmp_path / "file.bin", MD5)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_wrong_checksum_keeps_the_good_file_of_before(
    server: Server, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "file.bin").write_bytes(b"good")

    with pytest.raises(DataError, match="checksum is wrong"):
        download(f"{server.address}/file.bin", tmp_path / "file.bin", "0" * 32)

    assert (tmp_path / "file.bin").read_bytes() == b"good"


def test_an_address_without_the_file_is_named(
    server: Server, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(DataError, match="404") as caught:
        download(f"{server.address}/absent.bin", tmp_path / "absent.bin", MD5)

    assert caught.value.where == f"{server.address}/absent.bin"
    assert "`--mirror`" in caught.value.fix


def test_no_network_is_said_in_words(tmp_path: pathlib.Path) -> None:
    with Server() as server:
        address = server.address  # closed now: nobody listens there

    with pytest.raises(MachineError, match="cannot be fetched: .*refused") as caught:
        download(f"{address}/file.bin", tmp_path / "file.bin", MD5)

    assert "check the network" in caught.value.fix


def test_a_full_disk_is_said_in_words(server: Server, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file.bin.part").symlink_to("/dev/full")

    with pytest.raises(MachineError, match="No space is left on the disk") as caught:
        download(f"{server.address}/file.bin", tmp_path / "file.bin", MD5)

    assert caught.value.where == str(tmp_path / "file.bin.part")
    assert not (tmp_path / "file.bin").exists()


def test_a_folder_that_cannot_be_written_is_named(
    server: Server, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "blocked").write_text("a file")

    with pytest.raises(MachineError, match="cannot be written") as caught:
        download(f"{server.address}/file.bin", tmp_path / "blocked" / "f", MD5)

    assert str(tmp_path / "blocked") in caught.value.where


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_only_the_wanted_files_leave_an_archive_and_only_to_their_folder(
    tmp_path: pathlib.Path,
) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(
        zipped(**{"../../out.csv": b"wanted", "/etc/other": b"x", "../evil": b"x"})
    )

    unpack(archive, tmp_path / "to", ["out.csv"])

    assert files_below(tmp_path) == ["a.zip", "to/out.csv"]
    assert (tmp_path / "to" / "out.csv").read_bytes() == b"wanted"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped(other=b"x"), "must hold `wanted` once"),
        (zipped(wanted=b"x", **{"twice/wanted": b"y"}), "must hold `wanted` once"),
        (zipped(wanted=b"x" * 1000)[:-30], "Not a whole zip archive"),
        (b"", "Not a whole zip archive"),
        (zipped(wanted=b"abc" * 99).replace(b"wanted", b"wantex", 1), "Not a whole"),
    ],
    # An archive holds its time: processes would name the tests differently.
    ids=["another file", "twice", "cut", "empty", "renamed inside"],
)
def test_an_archive_that_is_not_ours_is_refused(
    tmp_path: pathlib.Path, content: bytes, message: str
) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(content)

    with pytest.raises(DataError, match=message) as caught:
        unpack(archive, tmp_path / "to", ["wanted"])

    assert caught.value.where == str(archive)


def test_a_file_too_large_is_not_unpacked(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clickwright.schemas.download.LARGEST_MEMBER_BYTES", 10)
    (tmp_path / "a.zip").write_bytes(zipped(wanted=b"x" * 11))

    with pytest.raises(DataError, match=r"at most 10 bytes. Received: \['11 bytes'\]"):
        unpack(tmp_path / "a.zip", tmp_path / "to", ["wanted"])

    assert LARGEST_MEMBER_BYTES > 10
    assert not (tmp_path / "to").exists()


TABLE, PEOPLE = b"a,b\n1,2\n3,4\n", b"a\n1\n"
ARCHIVE = zipped(**{"Toy/table.csv": TABLE, "Toy/people.csv": PEOPLE, "README": b"hi"})


class ToySource(FileSource):
    name = "toy"
    address = "http://127.0.0.1:1/data/Toy.zip"  # nobody listens there
    address_md5 = hashlib.md5(ARCHIVE).hexdigest()
    subfolder = "toy_x1"
    layouts = (
        (
            RawFile("table.csv", 2, hashlib.md5(TABLE).hexdigest()),
            RawFile("people.csv", 1, None),
        ),
        (RawFile("all.csv", 2, hashlib.md5(TABLE).hexdigest()),),
    )

    def write(
        self, raw: pathlib.Path | None, directory: pathlib.Path
    ) -> tuple[dict[str, int], dict[str, Any]]:
        raise NotImplementedError


FETCHED = ["toy_x1/people.csv", "toy_x1/table.csv"]


def test_the_public_address_is_fetched_and_unpacked_once(
    server: Server, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["data/Toy.zip"] = ARCHIVE
    monkeypatch.setattr(ToySource, "address", f"{server.address}/data/Toy.zip")

    ToySource.fetch(tmp_path)
    ToySource.fetch(tmp_path)

    assert files_below(tmp_path) == FETCHED
    assert (tmp_path / "toy_x1" / "table.csv").read_bytes() == TABLE
    assert len(server.ranges) == 1
    ToySource().raw_fingerprint(tmp_path)


def test_a_mirror_address_stands_in_for_the_public_one(
    server: Server, tmp_path: pathlib.Path
) -> None:
    server.files["copies/Toy.zip"] = ARCHIVE

    ToySource.fetch(tmp_path, f"{server.address}/copies/")

    assert files_below(tmp_path) == FETCHED


@pytest.mark.parametrize(
    "files",
    [
        {"Toy.zip": ARCHIVE},
        {"table.csv": TABLE, "people.csv": PEOPLE, "other": b"x"},
        {"toy_x1/table.csv": TABLE, "toy_x1/people.csv": PEOPLE},
    ],
)
def test_a_mirror_folder_holds_the_archive_or_the_files(
    tmp_path: pathlib.Path, files: dict[str, bytes]
) -> None:
    mirror, target = tmp_path / "mirror", tmp_path / "target"
    for name, content in files.items():
        (mirror / name).parent.mkdir(parents=True, exist_ok=True)
        (mirror / name).write_bytes(content)

    ToySource.fetch(target, str(mirror))

    assert files_below(target) == FETCHED
    assert files_below(mirror) == sorted(files)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"Toy.zip": zipped(other=b"")}, "The checksum is wrong"),
        ({"table.csv": TABLE + b"5,6\n", "people.csv": PEOPLE}, "has 3 rows; expected"),
        ({"table.csv": TABLE[:-2] + b"5\n", "people.csv": PEOPLE}, "checksum is wrong"),
        ({"table.csv": TABLE}, "The file is absent"),
    ],
)
def test_a_wrong_mirror_leaves_nothing(
    tmp_path: pathlib.Path, files: dict[str, bytes], message: str
) -> None:
    mirror, target = tmp_path / "mirror", tmp_path / "target"
    mirror.mkdir()
    for name, content in files.items():
        (mirror / name).write_bytes(content)

    with pytest.raises(DataError, match=message) as caught:
        ToySource.fetch(target, str(mirror))

    assert str(mirror) in caught.value.where
    assert files_below(target) == []


def test_a_right_archive_with_wrong_files_leaves_no_file_in_use(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = zipped(**{"table.csv": TABLE, "people.csv": b"a\n1\n2\n"})
    monkeypatch.setattr(ToySource, "address_md5", None)
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "Toy.zip").write_bytes(odd)

    with pytest.raises(DataError, match="has 2 rows; expected: 1"):
        ToySource.fetch(tmp_path / "target", str(tmp_path / "mirror"))

    assert files_below(tmp_path / "target") == []


def test_plain_files_without_an_archive_come_from_a_mirror_address(
    server: Server, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["copies/table.csv"] = TABLE
    server.files["copies/people.csv"] = PEOPLE
    monkeypatch.setattr(ToySource, "address", None)

    ToySource.fetch(tmp_path, f"{server.address}/copies/")

    assert files_below(tmp_path) == FETCHED
    ToySource().raw_fingerprint(tmp_path)


def test_without_a_public_address_a_mirror_is_asked_for(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ToySource, "address", None)

    with pytest.raises(ConfigError, match="no public address") as caught:
        ToySource.fetch(tmp_path)
    assert "table.csv, people.csv" in caught.value.fix

    with pytest.raises(ConfigError, match="must be a folder or an http") as caught:
        ToySource.fetch(tmp_path, str(tmp_path / "absent"))
    assert "table.csv, people.csv" in caught.value.fix


def test_a_broken_file_of_before_is_mended(tmp_path: pathlib.Path) -> None:
    (tmp_path / "Toy.zip").write_bytes(ARCHIVE)
    (tmp_path / "target" / "toy_x1").mkdir(parents=True)
    (tmp_path / "target" / "toy_x1" / "table.csv").write_bytes(b"half")

    ToySource.fetch(tmp_path / "target", str(tmp_path))

    assert (tmp_path / "target" / "toy_x1" / "table.csv").read_bytes() == TABLE


def test_a_mirror_that_is_no_folder_and_no_address_is_refused(
    tmp_path: pathlib.Path,
) -> None:
    for mirror in (str(tmp_path / "absent"), "file:///tmp", "ftp://host"):
        with pytest.raises(ConfigError, match="`--mirror` must be a folder or an http"):
            ToySource.fetch(tmp_path / "target", mirror)


def test_without_a_network_the_mirror_is_offered(tmp_path: pathlib.Path) -> None:
    with pytest.raises(MachineError, match="cannot be fetched") as caught:
        ToySource.fetch(tmp_path)

    assert caught.value.where == ToySource.address
    assert "`--mirror`" in caught.value.fix
