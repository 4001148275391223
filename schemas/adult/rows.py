"""The rows of the Adult files as tables."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from clickwright.schemas.spec import Column

COLUMNS = (
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education_num",
    "marital_status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital_gain",
    "capital_loss",
    "hours_per_week",
    "native_country",
    "income",
)
"""Columns of the files, in their order."""
UNKNOWN = "?"
LABEL = "over_50k"
_FACTOR = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio, odd
_TYPES = {"int64": pa.int64(), "string": pa.string(), "float32": pa.float32()}


def read(path: pathlib.Path, columns: Mapping[str, Column], header: bool) -> pa.Table:
    """Reads one file in the columns of the spec; unknown values are null.

    Args:
        path: the file; spaces follow its commas, and a dot may follow the labels.
        columns: columns of the spec.
        header: whether the first line is no row.
    """
    raw = pyarrow.csv.read_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(
            column_names=COLUMNS, skip_rows=int(header)
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(COLUMNS, pa.string())
        ),
    )
    table = {}
    for name, column in columns.items():
        values = pc.utf8_trim_whitespace(raw["income" if name == LABEL else name])
        if name == LABEL:
            known = pc.equal(pc.utf8_rtrim(values, "."), ">50K")
        else:
            known = pc.if_else(
                pc.equal(values, UNKNOWN), pa.scalar(None, pa.string()), values
            )
        table[name] = known.cast(_TYPES[column.dtype])
    return pa.table(table)


def for_validation(rows: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tells for each row of `adult.data` whether it is for validation, `[rows]`.

    It is where its number times a fixed odd factor, modulo 2^64, lies in the lowest
    tenth of the range.
    """
    hashes = np.arange(rows, dtype=np.uint64) * np.uint64(_FACTOR)  # wraps around
    return hashes < np.uint64(2**64 // 10)
