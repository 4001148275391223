"""What a person sees while a board runs: one line a finished training."""

import logging
import statistics
import time
from collections.abc import Iterable

import rich.console
import rich.live
import rich.spinner
import rich.table
import rich.text

from clickwright.pipeline.bench.records import TrialResult
from clickwright.pipeline.bench.trial import Trial
from clickwright.pipeline.console import start_live
from clickwright.schemas.html_page import formats
from clickwright.schemas.source import progress


class BoardProgress(logging.Handler):
    """Draws the training at work and leaves a line for each that ended.

    It listens to the `clickwright.progress` logger, for speed and last AUC.

    Args:
        console: where the lines go; on a terminal the last one is live.
        total: trainings of the board.
        seconds: how long earlier trainings took, to tell the time to go.
    """

    def __init__(
        self, console: rich.console.Console, total: int, seconds: Iterable[float]
    ) -> None:
        super().__init__(logging.INFO)
        self._console = console
        self._total = total
        self._seconds = list(seconds)
        self._done = 0
        self._spinner = rich.spinner.Spinner("dots")
        self._live: rich.live.Live | None = None
        self._name = self._detail = ""
        self._started = 0.0

    def start(self, trial: Trial) -> None:
        """Begins a training."""
        self._name, self._detail = _name(trial.key, trial.seed), ""
        self._started = time.monotonic()
        self._live = start_live(self._console, self._line)
        progress.addHandler(self)
        progress.setLevel(logging.INFO)

    def stop(self) -> None:
        """Ends the live line of a training."""
        progress.removeHandler(self)
        if self._live is not None:
            self._live.stop()
            self._live = None

    def finished(self, result: TrialResult, cached: bool) -> None:
        """Leaves the line of a result."""
        self._done += 1
        if not cached:
            self._seconds.append(result.seconds)
        line = rich.text.Text.assemble(
            ("= ", "cyan") if cached else ("✓ ", "green"),
            f"{_name(result.key, result.seed):<30}",
            (f"AUC {result.test_auc:.4f}", "bold"),
            f"  log loss {result.test_logloss:.4f}",
            f"{len(result.curve):>5} epochs",
            f"{formats.duration(result.seconds):>13}",
            f"{formats.count(result.examples_per_second):>10} examples/s",
            (f"  {'cached' if cached else self._left()}", "dim"),
        )
        self._print(line)

    def failed(self, trial: Trial, why: str) -> None:
        """Leaves the line of a training that came to nothing."""
        self._done += 1
        name = f"{_name(trial.key, trial.seed):<30}"
        self._print(rich.text.Text.assemble(("✗ ", "bold red"), name, why))

    def emit(self, record: logging.LogRecord) -> None:
        """Takes one progress record."""
        self._detail = getattr(record, "detail", self._detail)

    def _print(self, line: rich.text.Text) -> None:
        self._console.print(line, soft_wrap=True, highlight=False)

    def _left(self) -> str:
        """Trainings done, and how long the rest takes at the mean of those so far."""
        text = f"{self._done} of {self._total}"
        left = self._total - self._done
        if not left or not self._seconds:
            return text
        ahead = formats.duration(left * statistics.fmean(self._seconds))
        return f"{text}, about {ahead} to go"

    def _line(self) -> rich.table.Table:
        grid = rich.table.Table.grid(padding=(0, 1))
        elapsed = formats.duration(time.monotonic() - self._started)
        name = f"{self._name:<30}"
        grid.add_row(self._spinner, name, self._detail, elapsed, f"· {self._left()}")
        return grid


def _name(key: str, seed: int) -> str:
    return f"{key} · seed {seed}"
