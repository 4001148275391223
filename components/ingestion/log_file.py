"""What the formats of log files have in common."""

import abc
import collections
from collections.abc import Iterator, Mapping
from typing import ClassVar

import pyarrow as pa

from clickwright.components.ingestion.contract import conform
from clickwright.components.ingestion.unit import Unit
from clickwright.schemas.errors import DataError, did_you_mean
from clickwright.schemas.spec import Column, FeatureSpec

BATCH_ROWS = 32_768
"""Rows that are read, encoded and written at once, about 10-50 MB of them."""


class LogFile(abc.ABC):
    """One file of a click log.

    Args:
        path: the file.
    """

    holds_text: ClassVar[bool] = False
    """Whether every value is text, to be parsed into the type that is wanted."""

    def __init__(self, path: str) -> None:
        self.path = path

    @abc.abstractmethod
    def names(self) -> list[str]:
        """The columns in the file.

        Raises:
            DataError: the file cannot be read.
        """

    @abc.abstractmethod
    def units(self) -> list[Unit]:
        """The parts in which the file is read; `index` and `split` are not yet set.

        Raises:
            DataError: the file cannot be read.
        """

    @abc.abstractmethod
    def batches(
        self, unit: Unit, columns: Mapping[str, Column]
    ) -> Iterator[pa.RecordBatch]:
        """Yields the rows of a unit, those of the columns that the file has.

        Raises:
            DataError: the file cannot be read to its end.
        """

    def check(self, columns: Mapping[str, Column], spec: FeatureSpec) -> None:
        """Looks for what can be told without reading the rows.

        Args:
            columns: what will be read.
            spec: rules that the values must keep.

        Raises:
            DataError: a column is absent that every row must have, or there twice.
        """
        self.check_names(
            columns,
            fix="add the column to the file, or give its name as `column` in "
            "the feature spec (a feature may also be `presence: optional`)",
        )

    def check_names(self, columns: Mapping[str, Column], fix: str) -> None:
        """Looks for columns that are absent, although every row must have them.

        Args:
            columns: what will be read.
            fix: what to do about a column that is absent.

        Raises:
            DataError: there is one, or a name is there twice.
        """
        names = collections.Counter(self.names())
        for column in columns.values():
            if names[column.name] > 1:
                raise DataError(
                    f"{names[column.name]} columns have the name `{column.name}`; "
                    "which one is meant cannot be told.",
                    where=self.path,
                    fix="rename or drop all but one of them",
                )
            if column.required and column.name not in names:
                raise DataError(
                    f"The column `{column.name}` is missing."
                    f"{did_you_mean(column.name, names)} "
                    f"The file's columns: {', '.join(names) or 'none'}.",
                    where=self.path,
                    fix=fix,
                )

    def read(
        self, unit: Unit, columns: Mapping[str, Column], spec: FeatureSpec
    ) -> Iterator[pa.RecordBatch]:
        """Yields the rows of a unit, in the types of the feature spec.

        Args:
            unit: part of this file.
            columns: what to read; a column that the file lacks is all null.
            spec: rules that the values must keep.

        Raises:
            DataError: the file cannot be read, or a value breaks the feature spec.
        """
        row = unit.first_row
        for batch in self.batches(unit, columns):
            yield conform(
                batch,
                columns,
                spec,
                path=self.path,
                first_row=row,
                parse_text=self.holds_text,
            )
            row += batch.num_rows


def unreadable(path: str, error: object) -> DataError:
    """The error for a file that is cut off, corrupt or of another format."""
    return DataError(
        f"The file cannot be read: {' '.join(str(error).split()).rstrip('.')}.",
        where=path,
        fix="copy or write the file anew; it is cut off, corrupt or of another format",
    )
