"""Fixtures that several folders share."""

import os
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
import report_browser
from selenium import webdriver
from tiny_shop import Command, make_log

if TYPE_CHECKING:
    from transformed_shop import Transformed

# One quiet log level for every process that a test starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """Folder of public data sets; tests that need it skip where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the public data sets are not at {folder}")
    return folder


@pytest.fixture(scope="session")
def tiny_log() -> dict[str, pa.Table]:
    """Splits of a tiny shop's log."""
    return make_log()


@pytest.fixture(scope="session")
def transformed(tmp_path_factory: pytest.TempPathFactory) -> "Transformed":
    """1,200 training and 600 validation rows of every kind, transformed."""
    from transformed_shop import make_rows, transform  # imports Beam: seconds

    folder = tmp_path_factory.mktemp("transformed")
    return transform(folder, make_rows(1200, seed=1), make_rows(600, seed=2))


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """Calls `clickwright` in this process."""
    monkeypatch.setenv("COLUMNS", "200")
    return Command(monkeypatch, capfd)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    program, driver = report_browser.CHROMIUM, report_browser.DRIVER
    if program is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed")
    profile = tmp_path_factory.mktemp("profile")
    with report_browser.chromium(program, driver, profile) as started:
        yield started
