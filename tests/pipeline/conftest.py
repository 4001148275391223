"""The command line and a tiny log, for the tests of whole runs."""

import pyarrow as pa
import pytest
from tiny_shop import Command, make_log


@pytest.fixture(scope="session")
def tiny_log() -> dict[str, pa.Table]:
    """Splits of a tiny shop's log."""
    return make_log()


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """Calls `clickwright` in this process."""
    monkeypatch.setenv("COLUMNS", "200")
    return Command(monkeypatch, capfd)
