"""Which slice each row of a batch belongs to, as numbers."""

import dataclasses
from collections.abc import Sequence
from typing import Self

import numpy as np
import tensorflow as tf

SliceKey = tuple[tuple[str, int | str], ...]
"""Pairs of column and value, sorted by column: TFMA's key of a slice."""


@dataclasses.dataclass(frozen=True)
class SliceColumn:
    """One column of N rows: its distinct values, and an index into them a row.

    Attributes:
        values: [V] int or str.
        codes: [N] int64 index into `values`; -1 where the row has no value.
    """

    values: tuple[int | str, ...]
    codes: np.ndarray

    @classmethod
    def of(cls, column: tf.RaggedTensor) -> Self:
        """Encodes a column of [N, at most 1] values."""
        flat = column.values
        if flat.dtype == tf.string:  # hashing beats sorting for strings
            distinct, index = (x.numpy() for x in tf.unique(flat, tf.int64))
            values = tuple(v.decode("utf-8", "backslashreplace") for v in distinct)
        else:
            found, index = np.unique(flat.numpy(), return_inverse=True)
            values = tuple(found.tolist())
        codes = np.full(column.nrows(), -1, np.int64)
        codes[column.row_lengths().numpy() > 0] = index
        return cls(values, codes)

    def take(self, rows: np.ndarray) -> Self:
        """The same values, of some rows only."""
        return dataclasses.replace(self, codes=self.codes[rows])


def slice_codes(
    columns: dict[str, SliceColumn], names: Sequence[str]
) -> tuple[list[SliceKey], np.ndarray]:
    """Finds the slices made by one or several columns together.

    Returns:
        The slices, and an index into them for each of the N rows: [N] int64, -1 where
        a row lacks one of the values and so is in none of the slices.
    """
    names = sorted(names)
    shape = tuple(max(1, len(columns[name].values)) for name in names)
    present = np.all([columns[name].codes >= 0 for name in names], axis=0)
    combined = np.ravel_multi_index(
        [columns[name].codes[present] for name in names], shape
    )
    distinct, index = np.unique(combined, return_inverse=True)
    parts = np.unravel_index(distinct, shape)
    keys: list[SliceKey] = [
        tuple(
            (name, columns[name].values[code])
            for name, code in zip(names, code_of_each, strict=True)
        )
        for code_of_each in zip(*parts, strict=True)
    ]
    codes = np.full(len(present), -1, np.int64)
    codes[present] = index
    return keys, codes
