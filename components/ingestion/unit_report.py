"""What became of a unit, told through files.

Workers may be other processes, even on other machines, and Beam flattens their
exceptions into text. So each unit leaves a small file, and the executor reads them:
for progress, for totals, and for the error to raise.
"""

import os
import uuid
from collections.abc import Iterator
from typing import Self

import pydantic
from pydantic import Field
from tfx.dsl.io import fileio

from clickwright.components.ingestion.machine_errors import machine_errors
from clickwright.schemas.errors import (
    ClickwrightError,
    ConfigError,
    DataError,
    MachineError,
)

_ERRORS = {kind.__name__: kind for kind in (ConfigError, DataError, MachineError)}
_ERROR_SUFFIX = ".error.json"


class UnitReport(pydantic.BaseModel):
    """Rows that a unit has written, or why it stopped.

    Attributes:
        unit: index of the unit.
        rows: rows written so far, by split.
        positives: rows among them whose first label is 1, by split.
        negatives: rows among them whose first label is 0, by split.
        done: whether the shards are complete.
        error: kind, what, where and fix of the error that stopped the unit.
    """

    unit: int
    rows: dict[str, int] = Field(default_factory=dict)
    positives: dict[str, int] = Field(default_factory=dict)
    negatives: dict[str, int] = Field(default_factory=dict)
    done: bool = False
    error: tuple[str, str, str, str] | None = None

    @classmethod
    def of_error(cls, unit: int, error: ClickwrightError) -> Self:
        """The report of a unit that `error` stopped."""
        told = (type(error).__name__, error.what, error.where, error.fix)
        return cls(unit=unit, error=told)

    def add(self, split: str, rows: int, positives: int, negatives: int) -> None:
        """Counts rows that were written."""
        for counts, more in (
            (self.rows, rows),
            (self.positives, positives),
            (self.negatives, negatives),
        ):
            counts[split] = counts.get(split, 0) + more

    def write(self, folder: str) -> None:
        """Puts the report in place of the unit's last one; readers see one or other."""
        name = f"unit-{self.unit:05d}{_ERROR_SUFFIX if self.error else '.json'}"
        temporary = os.path.join(folder, f".{name}.{uuid.uuid4().hex}")
        with machine_errors(folder):
            with fileio.open(temporary, "w") as file:
                file.write(self.model_dump_json())
            fileio.rename(temporary, os.path.join(folder, name), overwrite=True)


def read_reports(folder: str) -> Iterator[UnitReport]:
    """Reads the reports that are there, in the order of the units."""
    for path in sorted(fileio.glob(os.path.join(folder, "unit-*.json"))):
        with fileio.open(path) as file:
            yield UnitReport.model_validate_json(file.read())


def failed_before(folder: str, unit: int) -> bool:
    """Whether a unit before this one has failed, so that this one's work is vain."""
    failed = fileio.glob(os.path.join(folder, f"unit-*{_ERROR_SUFFIX}"))
    return any(os.path.basename(path) < f"unit-{unit:05d}" for path in failed)


def raise_first_error(folder: str) -> None:
    """Raises the error of the first unit that has one; returns if there is none."""
    for report in read_reports(folder):
        if report.error:
            kind, what, where, fix = report.error
            raise _ERRORS[kind](what, where=where, fix=fix)
