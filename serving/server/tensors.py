"""Tensors of requests and answers, between `TensorProto` and numpy."""

import math
from collections.abc import Iterable
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

from clickwright.serving.server.serving_error import ServingError

_VALUES = {
    types_pb2.DT_FLOAT: (np.dtype(np.float32), "float_val"),
    types_pb2.DT_DOUBLE: (np.dtype(np.float64), "double_val"),
    types_pb2.DT_INT64: (np.dtype(np.int64), "int64_val"),
    types_pb2.DT_INT32: (np.dtype(np.int32), "int_val"),
    types_pb2.DT_INT16: (np.dtype(np.int16), "int_val"),
    types_pb2.DT_INT8: (np.dtype(np.int8), "int_val"),
    types_pb2.DT_UINT64: (np.dtype(np.uint64), "uint64_val"),
    types_pb2.DT_UINT32: (np.dtype(np.uint32), "uint32_val"),
    types_pb2.DT_UINT16: (np.dtype(np.uint16), "int_val"),
    types_pb2.DT_UINT8: (np.dtype(np.uint8), "int_val"),
    types_pb2.DT_BOOL: (np.dtype(np.bool_), "bool_val"),
    types_pb2.DT_HALF: (np.dtype(np.float16), "half_val"),
    types_pb2.DT_BFLOAT16: (np.dtype(tf.bfloat16.as_numpy_dtype), "half_val"),
    types_pb2.DT_STRING: (np.dtype(object), "string_val"),
}
"""Type and repeated field of each kind of tensor; the halves stand there as bits."""
_ENUMS = {dtype: enum for enum, (dtype, _) in _VALUES.items()}
_MAX_RANK = 64  # numpy's


def dtype_of(enum: int) -> np.dtype | None:
    """Returns the numpy type of a `DataType`, object for strings; None if unknown."""
    found = _VALUES.get(enum)
    return found[0] if found else None


def to_array(name: str, proto: tensor_pb2.TensorProto, max_bytes: int) -> np.ndarray:
    """The tensor as numpy; strings are an array of bytes objects.

    As in TensorFlow, a typed field that holds fewer values than the shape asks for has
    its last value repeated, and an empty one is all zeros.

    Args:
        name: the input that it is for.
        proto: as the request gives it.
        max_bytes: a tensor that would take more memory is refused: a shape alone
            costs its sender nothing.

    Raises:
        ServingError: INVALID_ARGUMENT if it cannot be read or is too large.
    """
    kind = _VALUES.get(proto.dtype)
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if (
        kind is None
        or proto.tensor_shape.unknown_rank
        or len(shape) > _MAX_RANK
        or any(size < 0 for size in shape)
    ):
        raise _unreadable(name)
    dtype, field = kind
    count = math.prod(shape)
    if count * dtype.itemsize > max_bytes:
        raise ServingError(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"tensor {name} of shape {list(shape)} is larger than {max_bytes} bytes",
        )
    content = proto.tensor_content
    if content:
        if dtype == object or len(content) != count * dtype.itemsize:
            raise _unreadable(name)
        if dtype == np.bool_:  # a byte may hold any number
            return (np.frombuffer(content, np.uint8) != 0).reshape(shape)
        return np.frombuffer(content, dtype).reshape(shape)
    values = _typed(getattr(proto, field), dtype, count)
    if len(values) < count:
        last = values[-1:] if len(values) else np.array([_zero(dtype)], dtype)
        values = np.concatenate([values, np.repeat(last, count - len(values))])
    return values.reshape(shape)


def to_proto(array: np.ndarray) -> tensor_pb2.TensorProto:
    """The tensor in its typed field, as TensorFlow Serving answers.

    Raises:
        ServingError: INTERNAL if no tensor of its type can be sent.
    """
    dtype = np.dtype(object) if array.dtype.kind in "OSU" else array.dtype
    enum = _ENUMS.get(dtype)
    if enum is None:
        raise ServingError(
            grpc.StatusCode.INTERNAL, f"An output of type {array.dtype} has no proto."
        )
    proto = tensor_pb2.TensorProto(dtype=enum)
    for size in array.shape:
        proto.tensor_shape.dim.add().size = size
    flat = array.ravel()
    field = _VALUES[enum][1]
    if field == "half_val":
        flat = flat.view(np.uint16)
    values: Iterable[Any] = flat.tolist()
    if dtype == object:
        values = (x.encode() if isinstance(x, str) else x for x in values)
    getattr(proto, field).extend(values)
    return proto


def _typed(values: Any, dtype: np.dtype, count: int) -> np.ndarray:
    """The first `count` values of a repeated field."""
    first = values[:count]
    if dtype.itemsize == 2 and dtype.kind not in "iu":  # bits of half floats
        return np.array(first, np.int64).astype(np.uint16).view(dtype)
    if dtype.itemsize < 4 and dtype.kind in "iu":  # wraps, as C++ does
        return np.array(first, np.int32).astype(dtype)
    return np.array(first, dtype)


def _zero(dtype: np.dtype) -> Any:
    return b"" if dtype == object else 0


def _unreadable(name: str) -> ServingError:
    return ServingError(
        grpc.StatusCode.INVALID_ARGUMENT, f"tensor parsing error: {name}"
    )
