"""What a person sees while a replay runs: one line a task."""

import collections
import pathlib

import rich.console

from clickwright.pipeline.console import RunConsole
from clickwright.pipeline.remote.replay.execution import State
from clickwright.pipeline.remote.replay.runner import last_line
from clickwright.schemas.source import progress

_WIDEST = 60


class Lines:
    """Draws a replay's tasks; the one at work shows the end of its log.

    Args:
        console: where the lines go.
        jobs: tasks that may run at the same time; with more than one, only those that
            ended are shown.
    """

    def __init__(self, console: rich.console.Console, jobs: int) -> None:
        self._console = console
        self._one_by_one = jobs == 1
        self._lines: RunConsole | None = None
        self._log = pathlib.Path()
        self._said = ""
        self._states: collections.Counter[State] = collections.Counter()

    def task_started(self, name: str, log: pathlib.Path) -> None:
        """Begins the task's line."""
        self._log = log
        if self._one_by_one:
            self._lines = RunConsole(self._console)
            self._lines.start(name)

    def tasks_run(self) -> None:
        """Shows what the task says."""
        if self._lines is not None:
            said = last_line(self._log)[:_WIDEST]
            if said != self._said:
                self._said = said
                progress.info("%s", said, extra={"detail": said})

    def task_ended(self, name: str, state: State, seconds: float) -> None:
        """Ends the line."""
        self._states[state] += 1
        lines, self._lines = self._lines, None
        if lines is None:
            lines = RunConsole(self._console)
            lines.start(name)
        progress.info("%s ended", name, extra={"detail": ""})
        lines.stop(state, seconds=seconds)

    def summary(self) -> str:
        """How many tasks ended how."""
        return ", ".join(f"{n} {state}" for state, n in self._states.items())
