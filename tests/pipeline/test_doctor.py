"""`clickwright doctor` finds what is wrong and says what to do."""

import collections
import importlib.metadata
import pathlib
import platform
import sys
import tempfile

import psutil
import pytest
from typer.testing import CliRunner

from clickwright.pipeline import doctor
from clickwright.pipeline.cli import app


def check(name: str, out: pathlib.Path) -> doctor.Check:
    return next(c for c in doctor.examine(out) if c.name.startswith(name))


def test_this_machine_passes(tmp_path: pathlib.Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "--out", str(tmp_path)])

    assert result.exit_code == 0, result.output
    assert "tensorflow" in result.output


def test_a_missing_package_is_named_with_its_remedy(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "tfx":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    result = CliRunner().invoke(app, ["doctor", "--out", str(tmp_path)])

    assert result.exit_code == 1
    assert check("tfx", tmp_path) == doctor.Check(
        "tfx", "bad", "absent", "run `make install`"
    )


def test_a_package_of_another_version_is_refused(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "3.0.0")

    assert check("keras", tmp_path).state == "bad"
    assert "3.15.x" in check("keras", tmp_path).fix


@pytest.mark.parametrize(
    ("python", "glibc", "state"),
    [
        ((3, 11, 7), "2.36", "good"),
        ((3, 11, 7), "2.17", "bad"),
        ((3, 13, 1), "2.36", "bad"),
        ((3, 13, 1), "2.41", "good"),
    ],
)
def test_newer_pythons_need_a_newer_glibc(
    python: tuple[int, int, int],
    glibc: str,
    state: str,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "version_info", python)
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", glibc))

    assert check("C library", tmp_path).state == state


def test_little_memory_is_refused(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = collections.namedtuple("memory", "available")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory(2**30))

    found = check("memory", tmp_path)

    assert (found.state, found.found) == ("bad", "1.0 GiB free")


def test_an_unwritable_folder_is_refused(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(dir: pathlib.Path) -> None:
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)

    found = check(f"write to {tmp_path}", tmp_path)

    assert (found.state, found.found) == ("bad", "Permission denied")
