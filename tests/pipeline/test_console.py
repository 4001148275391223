"""One line a component; the libraries' noise goes to the log."""

import io
import logging
import os
import pathlib

import pytest
import rich.console

from clickwright.pipeline.console import RunConsole, quiet, watched
from clickwright.schemas.source import progress


def test_a_finished_component_leaves_one_line_with_rows_and_seconds() -> None:
    stream = io.StringIO()
    lines = RunConsole(rich.console.Console(file=stream, width=100))

    lines.start("Transform")
    progress.info("at work", extra={"rows": 1234, "total": 2000, "detail": "half"})
    lines.stop("complete", rows=2000)

    assert stream.getvalue().count("\n") == 1
    assert "Transform" in stream.getvalue()
    assert "2,000 rows" in stream.getvalue()


def test_the_rows_heard_last_stand_when_none_are_given() -> None:
    stream = io.StringIO()
    with watched(rich.console.Console(file=stream, width=100), "Fetch"):
        progress.info("", extra={"rows": 7})
        progress.info("", extra={"rows": 9})

    assert "9 rows" in stream.getvalue()


def test_a_failed_component_is_marked() -> None:
    stream = io.StringIO()
    with (
        pytest.raises(ValueError, match="broken"),
        watched(rich.console.Console(file=stream, width=100), "Fetch"),
    ):
        raise ValueError("broken")

    assert "✗ Fetch" in stream.getvalue()


def test_a_terminal_gets_a_live_line_while_the_work_goes_on() -> None:
    stream = io.StringIO()
    console = rich.console.Console(file=stream, width=100, force_terminal=True)

    with watched(console, "Trainer") as lines:
        progress.info("", extra={"rows": 5, "total": 10, "detail": "epoch 1/2"})
        console.print(lines._line())

    assert "5 / 10 rows" in stream.getvalue()
    assert "epoch 1/2" in stream.getvalue()


def test_noise_of_every_kind_goes_to_the_log(
    tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "runs" / "log.txt"

    with quiet(log, verbose=False) as console:
        os.write(1, b"from C on 1\n")
        os.write(2, b"from C on 2\n")
        logging.getLogger("some.library").warning("from a logger")
        console.print("for the person")
    print("afterwards")

    shown = capfd.readouterr()
    assert shown.err == "for the person\n"
    assert shown.out == "afterwards\n"
    for noise in ("from C on 1", "from C on 2", "from a logger"):
        assert noise in log.read_text()


def test_verbose_hides_nothing(
    tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with quiet(tmp_path / "log.txt", verbose=True):
        os.write(2, b"from C\n")

    assert "from C" in capfd.readouterr().err


def test_a_bar_shows_how_far_the_present_stretch_is() -> None:
    console = rich.console.Console(
        file=io.StringIO(), width=120, force_terminal=True, no_color=True
    )
    lengths = []
    with watched(console, "Trainer") as lines:
        for extra in ({"fraction": 0.5}, {"fraction": 1.0}, {"rows": 5}):
            progress.info("", extra=extra)
            with console.capture() as capture:
                console.print(lines._line())
            lengths.append(capture.get().count("━"))
    assert lengths == [8, 16, 0]
