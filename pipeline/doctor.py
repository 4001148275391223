"""Looks at the machine before any work, and says what to do about what is wrong."""

import dataclasses
import importlib.metadata
import os
import pathlib
import platform
import shutil
import sys
import tempfile

import psutil

_GIB = 2**30
# What one run needs: the demo peaks at about 3 GiB and leaves about 1 GiB.
_MEMORY_GIB = 4
_DISK_GIB = 5
_PACKAGES = {
    "tfx": "1.21.",
    "tensorflow": "2.21.",
    "keras": "3.15.",
    "tensorflow-data-validation": "1.",
    "tensorflow-model-analysis": "0.",
    "ml-metadata": "1.",
    "apache-beam": "2.",
    "pyarrow": "",
}


@dataclasses.dataclass(frozen=True)
class Check:
    """One look at the machine.

    Attributes:
        name: what was looked at.
        state: `bad` stops a run; `note` does not.
        found: what was found.
        fix: what to do; empty when nothing needs doing.
    """

    name: str
    state: str
    found: str
    fix: str = ""


def examine(out: pathlib.Path) -> list[Check]:
    """Runs every check; `out` is the folder that a run would write to."""
    return [
        _python(),
        _libc(),
        *(_package(name, prefix) for name, prefix in _PACKAGES.items()),
        _bridge(),
        _memory(),
        _disk(out),
        *(_writable(folder) for folder in (out, pathlib.Path(tempfile.gettempdir()))),
        _processors(),
        _gpu(),
    ]


def _python() -> Check:
    found = platform.python_version()
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Check("Python", "good", found)
    return Check("Python", "bad", found, "use Python 3.11, 3.12 or 3.13")


def _libc() -> Check:
    library, version = platform.libc_ver()
    found = f"{library or 'unknown'} {version}".strip()
    if library != "glibc":
        return Check("C library", "bad", found, "use a Linux with glibc, 2.36 or newer")
    number = tuple(int(part) for part in version.split(".")[:2])
    if sys.version_info >= (3, 12) and number < (2, 39):
        return Check(
            "C library",
            "bad",
            found,
            "use Python 3.11, or a system with glibc 2.39 or newer (Debian 13)",
        )
    if number < (2, 28):
        return Check("C library", "bad", found, "use a system with glibc 2.28 or newer")
    return Check("C library", "good", found)


def _package(name: str, prefix: str) -> Check:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Check(name, "bad", "absent", "run `make install`")
    if not version.startswith(prefix):
        return Check(name, "bad", version, f"install {prefix}x with `make install`")
    return Check(name, "good", version)


def _bridge() -> Check:
    if sys.version_info >= (3, 12):
        return Check("tfx-bsl-sql-util", "good", "not needed on this Python")
    return _package("tfx-bsl-sql-util", "")


def _memory() -> Check:
    free = psutil.virtual_memory().available / _GIB
    found = f"{free:.1f} GiB free"
    if free < _MEMORY_GIB:
        return Check("memory", "bad", found, f"free memory up to {_MEMORY_GIB} GiB")
    return Check("memory", "good", found)


def _disk(out: pathlib.Path) -> Check:
    free = shutil.disk_usage(_existing(out)).free / _GIB
    found = f"{free:.1f} GiB free"
    if free < _DISK_GIB:
        fix = f"free {_DISK_GIB} GiB, or give a folder on another disk with --out"
        return Check(f"disk of {out}", "bad", found, fix)
    return Check(f"disk of {out}", "good", found)


def _writable(folder: pathlib.Path) -> Check:
    existing = _existing(folder)
    try:
        with tempfile.NamedTemporaryFile(dir=existing):
            return Check(f"write to {folder}", "good", "yes")
    except OSError as error:
        fix = "change its rights, or give another folder with --out"
        return Check(f"write to {folder}", "bad", error.strerror or str(error), fix)


def _processors() -> Check:
    count = len(os.sched_getaffinity(0))
    if count < 2:
        return Check("processors", "note", str(count), "two or more are faster")
    return Check("processors", "good", str(count))


def _gpu() -> Check:
    if pathlib.Path("/dev/nvidiactl").exists():
        try:
            importlib.metadata.version("nvidia-cudnn-cu12")
        except importlib.metadata.PackageNotFoundError:
            return Check(
                "GPU", "note", "found, not used", "pip install 'clickwright[gpu]'"
            )
        return Check("GPU", "good", "found")
    return Check("GPU", "note", "none; training runs on the processors")


def _existing(folder: pathlib.Path) -> pathlib.Path:
    """The folder, or the nearest one above it that is there."""
    folder = folder.resolve()
    return next(f for f in (folder, *folder.parents) if f.exists())
