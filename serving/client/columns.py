"""What users hold, as the tensors that a signature takes."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo

from clickwright.schemas.errors import DataError
from clickwright.schemas.missing_values import MISSING

Array: TypeAlias = np.ndarray[Any, Any]

Columns: TypeAlias = Any
"""A mapping of names to arrays or lists, an Arrow table or a pandas DataFrame."""


def named(columns: Columns) -> Mapping[str, Any]:
    """The columns by name.

    Raises:
        DataError: they are nothing that has columns.
    """
    if isinstance(columns, Mapping):
        return columns
    if isinstance(columns, pa.Table | pa.RecordBatch):
        return dict(zip(columns.schema.names, columns.columns, strict=True))
    if hasattr(columns, "columns") and hasattr(columns, "__getitem__"):
        return {str(name): columns[name] for name in columns.columns}
    raise DataError(
        "Rows must be a mapping of names to columns, an Arrow table or a pandas "
        f"DataFrame. Received: {type(columns).__name__}.",
        fix="give the rows as columns, such as `{'user': [7, 8]}`",
    )


def dense(name: str, values: Any, info: TensorInfo) -> Array:
    """A column as one tensor.

    What is missing (`None`, and in pandas and Arrow whatever they take for null) becomes
    what stands for a missing value of the type; lists are padded with it at the end.

    Args:
        name: of the column.
        values: its rows; of lists, one list a row, or a matrix.
        info: what the signature takes.

    Raises:
        DataError: the values are of another type or shape.
    """
    dtype = np.dtype(tf.as_dtype(info.dtype).as_numpy_dtype)
    rank = len(info.tensor_shape.dim)
    kind = dtype.kind
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
        # As it stands where every value fits: no copy by way of Arrow.
        fits = kind == "f" or np.can_cast(values.dtype, dtype, "safe")
        if values.ndim == rank and fits:
            return np.ascontiguousarray(values, dtype)
    if isinstance(values, np.ndarray) and values.ndim == 2:
        values = values.tolist()
    try:
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks()
        column = pa.array(values, from_pandas=True)
        if rank == 2:
            return _padded(column, dtype)
        return _plain(column, dtype)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        wanted = "texts" if kind == "O" else f"numbers that fit {dtype}"
        shape = "lists of " if rank == 2 else ""
        raise DataError(
            f"It must hold {shape}{wanted}. {error}.",
            where=f"column `{name}`",
            fix="give values of that type; None stands for a missing one",
        ) from error


def _plain(column: pa.Array, dtype: np.dtype[Any]) -> Array:
    """One value a row."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_null(kind):
        column = column.cast(_arrow_type(dtype))
    elif dtype.kind == "O":
        if not (_is_text(kind) or pa.types.is_large_binary(kind)):
            raise TypeError(f"Received: {kind}")
    elif _is_text(kind) or pa.types.is_nested(kind):
        raise TypeError(f"Received: {kind}")
    else:
        # Numbers of 64 bits may lose digits as float32, but no whole number a fraction.
        column = column.cast(_arrow_type(dtype), safe=dtype.kind != "f")
    if column.null_count:
        type_name = "string" if dtype.kind == "O" else dtype.name
        if type_name not in MISSING:
            raise TypeError(f"Nothing stands for a missing {type_name}")
        column = pc.fill_null(column, pa.scalar(MISSING[type_name], column.type))
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype)


def _padded(column: pa.Array, dtype: np.dtype[Any]) -> Array:
    """A list a row, `[rows, longest]`."""
    kind = column.type
    if pa.types.is_null(kind):
        column = column.cast(pa.list_(_arrow_type(dtype)))
    elif not (
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
    ):
        raise TypeError(f"Received: {kind}")
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(
        zero_copy_only=False
    )
    flat = _plain(column.flatten(), dtype)
    longest = max(1, int(lengths.max(initial=1)))
    type_name = "string" if dtype.kind == "O" else dtype.name
    there = np.arange(longest) < lengths[:, None]
    if not there.all() and type_name not in MISSING:
        raise TypeError(f"The lists must be of one length. Received: {type_name}")
    padded = np.full(there.shape, MISSING.get(type_name, 0), dtype)
    padded[there] = flat
    return padded


def _arrow_type(dtype: np.dtype[Any]) -> pa.DataType:
    return pa.string() if dtype.kind == "O" else pa.from_numpy_dtype(dtype)


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
    )
