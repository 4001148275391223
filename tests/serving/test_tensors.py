"""Tensors of requests: every way that TensorFlow writes them, and malformed ones."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

from clickwright.serving.server.serving_error import ServingError
from clickwright.serving.server.tensors import to_array, to_proto

LIMIT = 1 << 20
NUMBERS = [
    tf.float32,
    tf.float64,
    tf.float16,
    tf.bfloat16,
    tf.int8,
    tf.int16,
    tf.int32,
    tf.int64,
    tf.uint8,
    tf.uint16,
    tf.uint32,
    tf.uint64,
    tf.bool,
]


@pytest.mark.parametrize("dtype", NUMBERS, ids=lambda dtype: dtype.name)
def test_numbers_arrive_and_leave_as_tensorflow_reads_them(dtype: tf.DType) -> None:
    values = np.array([[1, 0, 3], [4, 5, 100]]).astype(dtype.as_numpy_dtype)

    packed = to_array("x", tf.make_tensor_proto(values), LIMIT)
    sent = to_proto(values)

    assert not sent.tensor_content
    assert packed.dtype == values.dtype
    np.testing.assert_array_equal(packed, values)
    np.testing.assert_array_equal(tf.make_ndarray(sent), values)
    np.testing.assert_array_equal(to_array("x", sent, LIMIT), values)


def test_strings_are_bytes() -> None:
    values = np.array([[b"a", b"\xff"]], object)
    found = to_array("s", tf.make_tensor_proto(values), LIMIT)
    assert found.dtype == object and found.tolist() == values.tolist()
    np.testing.assert_array_equal(tf.make_ndarray(to_proto(values)), values)
    assert to_proto(np.array(["ä"])).string_val == ["ä".encode()]


def tensor(dtype: int, shape: tuple[int, ...], **values: object) -> object:
    proto = tensor_pb2.TensorProto(dtype=dtype, **values)
    for size in shape:
        proto.tensor_shape.dim.add().size = size
    return proto


def test_the_last_of_too_few_values_fills_the_shape() -> None:
    floats = types_pb2.DT_FLOAT
    few = tensor(floats, (2, 2), float_val=[1, 2])
    assert to_array("x", few, LIMIT).tolist() == [[1, 2], [2, 2]]
    assert to_array("x", tensor(floats, (2,)), LIMIT).tolist() == [0, 0]
    more = tensor(floats, (1,), float_val=[1, 2, 3])
    assert to_array("x", more, LIMIT).tolist() == [1]
    texts = tensor(types_pb2.DT_STRING, (2,))
    assert to_array("x", texts, LIMIT).tolist() == [b"", b""]


def test_a_scalar_and_an_empty_tensor_keep_their_shapes() -> None:
    scalar = to_array("x", tensor(types_pb2.DT_INT64, (), int64_val=[7]), LIMIT)
    assert scalar.shape == () and scalar == 7
    assert to_array("x", tensor(types_pb2.DT_INT64, (0, 3)), LIMIT).shape == (0, 3)


@pytest.mark.parametrize(
    "proto",
    [
        tensor(types_pb2.DT_INVALID, (1,)),
        tensor(types_pb2.DT_RESOURCE, (1,)),
        tensor(999, (1,)),
        tensor(types_pb2.DT_FLOAT, (-1,)),
        tensor(types_pb2.DT_FLOAT, (1,) * 65),
        tensor(types_pb2.DT_FLOAT, (2,), tensor_content=b"12345678x"),
        tensor(types_pb2.DT_STRING, (1,), tensor_content=b"12345678"),
        tensor_pb2.TensorProto(dtype=1, tensor_shape={"unknown_rank": True}),
    ],
)
def test_a_tensor_that_cannot_be_read_is_named(proto: object) -> None:
    with pytest.raises(ServingError, match="tensor parsing error: clicks"):
        to_array("clicks", proto, LIMIT)


def test_a_small_message_cannot_ask_for_much_memory() -> None:
    for shape in ((2**40,), (2**31, 2**31, 2**31)):
        with pytest.raises(ServingError, match="is larger than 1048576 bytes"):
            to_array("x", tensor(types_pb2.DT_FLOAT, shape, float_val=[1]), LIMIT)
