"""A task of a replay that failed."""

import pathlib

from clickwright.schemas.errors import ClickwrightError


class TaskFailedError(ClickwrightError):
    """A task failed: which, why, and where its log is.

    Args:
        task: its name.
        log: its log.
        exit_code: of its process; that of a signal is negative. None where it was not
            the process that failed.
        reason: what it said last.
    """

    def __init__(
        self, task: str, log: pathlib.Path, exit_code: int | None, reason: str
    ) -> None:
        end = "" if exit_code is None else f" with exit code {exit_code}"
        super().__init__(
            f"The task {task} failed{end}. {reason}".rstrip(),
            where=f"log: {log}",
            fix="read the end of the log and mend its cause; then run the same command "
            "again, which resumes at this task",
        )
        self.task = task
        self.log = log

    def __reduce__(self) -> tuple[object, ...]:
        return ClickwrightError, (self.what,), {"where": self.where, "fix": self.fix}
