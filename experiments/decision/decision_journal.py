"""The decisions about the experiments of a folder, in the order they were made."""

import fcntl
import os
import pathlib

import pydantic

from clickwright.experiments.decision.decision import Decision
from clickwright.schemas.errors import DataError, storage_error

JOURNAL_FILE_NAME = "decisions.jsonl"


class DecisionJournal:
    """`decisions.jsonl` of a folder of experiments: one decision a line.

    A line is on the disk when `append` returns. A line that a crash cut off is removed
    by the next `append`, and passed over till then: nobody was told of it.

    Args:
        folder: the folder of the experiments' files.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.path = folder / JOURNAL_FILE_NAME

    def append(self, decision: Decision) -> None:
        """Adds one decision.

        Raises:
            MachineError: the folder cannot be written to, or the disk is full.
        """
        line = decision.model_dump_json().encode() + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.truncate(_whole_bytes(file.fileno()))
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise storage_error(error, self.path) from error

    def of(self, experiment: str) -> list[Decision]:
        """Returns the decisions about one experiment, the latest last.

        Raises:
            DataError: a line cannot be read.
        """
        if not self.path.exists():
            return []
        *lines, _ = self.path.read_bytes().split(b"\n")
        found = []
        for number, line in enumerate(lines, 1):
            try:
                decision = Decision.model_validate_json(line)
            except pydantic.ValidationError as error:
                raise DataError(
                    f"The decision cannot be read: {' '.join(str(error).split())}.",
                    where=f"{self.path}, line {number}",
                    fix="restore the line, or move the file away",
                ) from error
            if decision.experiment == experiment:
                found.append(decision)
        return found


def turning_points(decisions: list[Decision]) -> list[Decision]:
    """Returns the decisions that changed something.

    Left out are those of the rule that repeat the action and arm before, and the
    intention where the same decision follows as done.
    """
    kept: list[Decision] = []
    for decision in decisions:
        last = kept[-1] if kept else None
        if last is not None and decision == last.model_copy(
            update={"done": decision.done}
        ):
            kept[-1] = decision
        elif (
            last is None
            or decision.by == "person"
            or decision.done
            or (decision.action, decision.arm) != (last.action, last.arm)
        ):
            kept.append(decision)
    return kept


def _whole_bytes(file: int) -> int:
    """Size of an open file up to the end of its last whole line."""
    end = os.fstat(file).st_size
    while end:
        start = max(0, end - 65_536)
        found = os.pread(file, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
