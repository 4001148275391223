"""Tensors as they travel, and as arrays.

TensorFlow's own functions do the same for a single process; a server and its clients do
it for every column of every request, and numbers go here as one block of bytes.
"""

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.framework.types_pb2 import DataType

Array: TypeAlias = np.ndarray[Any, Any]

MAX_REPEATED = 1 << 24
"""Elements that a tensor of fewer values may have: the last is repeated."""

_NUMBERS: Mapping[int, tuple[type[np.generic], str]] = {
    DataType.DT_BOOL: (np.bool_, "bool_val"),
    DataType.DT_DOUBLE: (np.float64, "double_val"),
    DataType.DT_FLOAT: (np.float32, "float_val"),
    DataType.DT_INT16: (np.int16, "int_val"),
    DataType.DT_INT32: (np.int32, "int_val"),
    DataType.DT_INT64: (np.int64, "int64_val"),
    DataType.DT_INT8: (np.int8, "int_val"),
    DataType.DT_UINT16: (np.uint16, "int_val"),
    DataType.DT_UINT32: (np.uint32, "uint32_val"),
    DataType.DT_UINT64: (np.uint64, "uint64_val"),
    DataType.DT_UINT8: (np.uint8, "int_val"),
}
_TYPES = {np.dtype(dtype): number for number, (dtype, _) in _NUMBERS.items()}


def numpy_type(number: int) -> np.dtype[Any] | None:
    """The array type of a `DataType`, objects for strings; None for a type unknown."""
    if number == DataType.DT_STRING:
        return np.dtype(object)
    return np.dtype(_NUMBERS[number][0]) if number in _NUMBERS else None


def to_proto(array: Array) -> TensorProto:
    """The array as a message.

    Args:
        array: numbers, or objects that are `bytes` or `str`.

    Raises:
        TypeError: its type is of another kind.
    """
    proto = TensorProto()
    for size in array.shape:
        proto.tensor_shape.dim.add().size = size
    number = _TYPES.get(array.dtype)
    if number is not None:
        proto.dtype = number
        proto.tensor_content = array.tobytes()
        return proto
    if array.dtype.kind == "U":
        array = array.astype(object)
    if array.dtype.kind not in "OS":
        raise TypeError(f"`array` must hold numbers or texts. Received: {array.dtype}")
    proto.dtype = DataType.DT_STRING
    proto.string_val.extend(
        x.encode("utf-8", "surrogateescape") if isinstance(x, str) else x
        for x in array.reshape(-1).tolist()
    )
    return proto


def to_array(proto: TensorProto) -> Array:
    """The message as an array; strings are objects of type `bytes`.

    Raises:
        ValueError: the message contradicts itself, or is of a type not known here.
    """
    if proto.tensor_shape.unknown_rank:
        raise ValueError("the shape is unknown")
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if any(size < 0 for size in shape):
        raise ValueError(f"the shape is {list(shape)}")
    count = math.prod(shape)
    if proto.dtype == DataType.DT_STRING:
        values: Array = np.empty(len(proto.string_val), object)
        values[:] = proto.string_val
        return _filled(values, count, b"").reshape(shape)
    if proto.dtype not in _NUMBERS:
        name = DataType.Name(proto.dtype) if proto.dtype in DataType.values() else "?"
        raise ValueError(f"the type is {name}")
    dtype, field = _NUMBERS[proto.dtype]
    if not proto.tensor_content:
        given = np.int32 if field == "int_val" else dtype
        values = np.array(getattr(proto, field), given).astype(dtype)
        return _filled(values, count, 0).reshape(shape)
    size = count * np.dtype(dtype).itemsize
    if len(proto.tensor_content) != size:
        raise ValueError(
            f"{len(proto.tensor_content)} bytes where the shape {list(shape)} needs "
            f"{size}"
        )
    return np.frombuffer(proto.tensor_content, dtype).reshape(shape)


def _filled(values: Array, count: int, zero: Any) -> Array:
    """As many values as the shape asks for: the last one, or zero, is repeated."""
    if len(values) == count:
        return values
    if len(values) > count or count > MAX_REPEATED:
        raise ValueError(f"{len(values)} values where the shape needs {count}")
    last = values[-1] if len(values) else zero
    filled = np.full(count, last, values.dtype)
    filled[: len(values)] = values
    return filled
