"""What a person sees while a pipeline runs: one line a component."""

import contextlib
import logging
import os
import pathlib
import sys
import time
from collections.abc import Callable, Iterator

import rich.console
import rich.live
import rich.progress_bar
import rich.spinner
import rich.table
import rich.text

from clickwright.schemas.source import progress

_MARKS = {
    "complete": ("✓", "green"),
    "cached": ("=", "cyan"),
    "skipped": ("-", "dim"),
    "failed": ("✗", "bold red"),
}
_BAR_WIDTH = 16


def start_live(
    console: rich.console.Console, line: Callable[[], rich.console.RenderableType]
) -> rich.live.Live | None:
    """Begins a line that is drawn again and again; None where there is no terminal."""
    if not console.is_terminal:
        return None
    live = rich.live.Live(
        get_renderable=line,
        console=console,
        refresh_per_second=8,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    live.start()
    return live


class RunConsole(logging.Handler):
    """Draws the line of the component at work and leaves one for each that ended.

    It listens to the `clickwright.progress` logger: records may carry `rows`, `total`,
    `detail` and `fraction`, the share of the present stretch of work that is done.

    Args:
        console: where the lines go; on a terminal the last one is live.
    """

    def __init__(self, console: rich.console.Console) -> None:
        super().__init__(logging.INFO)
        self.console = console
        self._live: rich.live.Live | None = None
        self._spinner = rich.spinner.Spinner("dots")
        self._name = ""
        self._started = 0.0
        self.rows: int | None = None
        self._total: int | None = None
        self._fraction: float | None = None
        self._detail = ""
        self.state = "complete"
        """How work ends that does not fail; `watched` shows it."""

    def start(self, name: str) -> None:
        """Begins the line of a component."""
        self._name, self._started = name, time.monotonic()
        self.rows, self._total, self._detail = None, None, ""
        self._fraction = None
        self._live = start_live(self.console, self._line)
        progress.addHandler(self)
        progress.setLevel(logging.INFO)

    def stop(
        self, state: str, rows: int | None = None, seconds: float | None = None
    ) -> None:
        """Ends the line; `rows` and `seconds` override what was heard and measured."""
        progress.removeHandler(self)
        if self._live is not None:
            self._live.stop()
            self._live = None
        mark, style = _MARKS[state]
        if seconds is None:
            seconds = time.monotonic() - self._started
        shown = self.rows if rows is None else rows
        line = rich.text.Text()
        line.append(f"{mark} ", style)
        line.append(f"{self._name:<22}")
        line.append(f"{'' if shown is None else f'{shown:,} rows':>18}")
        line.append(f"{seconds:>9.1f} s", "bold")
        line.append(f"  {state if state != 'complete' else self._detail}", "dim")
        line.rstrip()
        self.console.print(line, soft_wrap=True, highlight=False)

    def emit(self, record: logging.LogRecord) -> None:
        """Takes one progress record."""
        rows = getattr(record, "rows", None)
        if rows is not None:
            self.rows = int(rows)
        self._total = getattr(record, "total", self._total)
        self._fraction = getattr(record, "fraction", None)
        self._detail = getattr(record, "detail", self._detail)

    def _line(self) -> rich.table.Table:
        rows = ""
        if self.rows is not None:
            total = f" / {self._total:,}" if self._total else ""
            rows = f"{self.rows:,}{total} rows"
        grid = rich.table.Table.grid(padding=(0, 1))
        elapsed = f"{time.monotonic() - self._started:.0f} s"
        bar: rich.progress_bar.ProgressBar | str = ""
        if self._fraction is not None:
            bar = rich.progress_bar.ProgressBar(1.0, self._fraction, width=_BAR_WIDTH)
        name = f"{self._name:<22}"
        grid.add_row(self._spinner, name, rows, elapsed, bar, self._detail)
        return grid


@contextlib.contextmanager
def quiet(log: pathlib.Path, verbose: bool) -> Iterator[rich.console.Console]:
    """Sends everything that libraries print, C++ included, to a log file.

    Only what goes to the console given back reaches the terminal (its stderr). With
    `verbose` nothing is redirected, and the log file gets Python's log records only.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(log)
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    )
    root = logging.getLogger()
    root.addHandler(handler)
    level = root.level
    root.setLevel(logging.INFO)
    try:
        if verbose:
            yield rich.console.Console(stderr=True)
        else:
            with _redirected(log) as terminal:
                yield terminal
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        handler.close()


@contextlib.contextmanager
def _redirected(log: pathlib.Path) -> Iterator[rich.console.Console]:
    # At the level of file descriptors: TensorFlow's C++ and Beam's worker processes
    # write to 1 and 2, whatever Python's sys.stdout is.
    sys.stdout.flush()
    sys.stderr.flush()
    saved_out, saved_err = os.dup(1), os.dup(2)
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.dup2(file, 1)
        os.dup2(file, 2)
        with os.fdopen(os.dup(saved_err), "w", encoding="utf-8") as stream:
            yield rich.console.Console(file=stream)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(saved_out, 1)
        os.dup2(saved_err, 2)
        for descriptor in (saved_out, saved_err, file):
            os.close(descriptor)


@contextlib.contextmanager
def watched(console: rich.console.Console, name: str) -> Iterator[RunConsole]:
    """Shows one line for the work done inside."""
    lines = RunConsole(console)
    lines.start(name)
    try:
        yield lines
    except BaseException:
        lines.stop("failed")
        raise
    lines.stop(lines.state)
