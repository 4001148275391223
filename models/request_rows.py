"""Raw rows that an export keeps as requests."""

import dataclasses
import math
import pathlib
from collections.abc import Sequence
from typing import Self

import tensorflow as tf

from clickwright.schemas.errors import DataError


@dataclasses.dataclass(frozen=True)
class RequestRows:
    """Rows, and how many of them go into a request.

    Attributes:
        rows: serialized tf.Examples with the columns of the log.
        batch_sizes: rows of the requests that warm a server up.
    """

    rows: tuple[bytes, ...]
    batch_sizes: tuple[int, ...]

    @classmethod
    def read(cls, path: pathlib.Path, count: int, batch_sizes: Sequence[int]) -> Self:
        """Reads up to `count` rows of a gzipped TFRecord file.

        Raises:
            DataError: the file is damaged, or has no rows.
        """
        try:
            records = tf.data.TFRecordDataset(str(path), "GZIP").take(count)
            rows = tuple(record.numpy() for record in records)
        except tf.errors.OpError as error:
            raise DataError(
                f"The rows for golden requests cannot be read: {error.message}.",
                where=str(path),
                fix="run Transform again",
            ) from error
        if not rows:
            raise DataError(
                "There are no rows for golden requests.",
                where=str(path),
                fix="give the split `valid` rows, and run Transform again",
            )
        return cls(rows, tuple(batch_sizes))

    @property
    def golden_sizes(self) -> tuple[int, ...]:
        """Rows of the golden requests: the batch sizes that the rows suffice for, and
        all of them."""
        there = len(self.rows)
        return tuple(sorted({n for n in self.batch_sizes if n < there} | {there}))

    def repeated(self, count: int) -> tuple[bytes, ...]:
        """The first `count` rows, over and over where there are fewer."""
        times = math.ceil(count / len(self.rows))
        return (self.rows * times)[:count]
