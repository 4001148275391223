"""What the router reads of an answer's bytes."""

import array
import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

from clickwright.serving.router import messages
from clickwright.serving.router.answer import Answer
from clickwright.serving.router.methods import PREDICT


def floats(*values: float) -> "array.array[float]":
    """Scores as an answer has them."""
    return array.array("f", values)


def read(limit: int = 1000, **outputs: Any) -> Answer:
    """What an answer with these outputs says."""
    response = PredictResponse()
    response.model_spec.version.value = 7
    for name, value in outputs.items():
        made = isinstance(value, TensorProto)
        response.outputs[name].CopyFrom(value if made else tf.make_tensor_proto(value))
    assert PREDICT.read is not None
    return PREDICT.read(response.SerializeToString(), limit)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_scores_are_read_from_each_form_of_a_tensor(
    dtype: type[np.floating[Any]], shape: tuple[int, ...]
) -> None:
    scores = np.array([0.5, 0.25, 0.125], dtype).reshape(shape)
    assert read(probability=scores) == Answer(7, 3, floats(0.5, 0.25, 0.125))
    listed = tf.make_tensor_proto(scores)
    listed.tensor_content = b""
    field = listed.float_val if dtype is np.float32 else listed.double_val
    field.extend([0.5, 0.25, 0.125])
    assert read(probability=listed).scores == floats(0.5, 0.25, 0.125)


def test_values_that_repeat_the_last_one_may_be_left_out() -> None:
    tensor = tf.make_tensor_proto(np.full(4, 0.5, np.float32))
    tensor.tensor_content = b""
    del tensor.float_val[:]
    tensor.float_val.extend([0.25, 0.5])
    assert read(probability=tensor).scores == floats(0.25, 0.5, 0.5, 0.5)


def test_probability_comes_before_other_outputs() -> None:
    found = read(embedding=np.ones((2, 4), np.float32), probability=[0.5, 0.25])
    assert found.scores == floats(0.5, 0.25)


@pytest.mark.parametrize(
    ("outputs", "rows"),
    [
        ({}, 0),
        ({"item": [b"a", b"b"]}, 2),
        ({"embedding": np.ones((2, 4), np.float32)}, 2),
        ({"item": [1.0, 2.0], "score": [0.5, 0.5]}, 2),
        ({"probability": np.zeros(6, np.float32)}, 6),
    ],
)
def test_an_answer_without_one_score_a_row_has_none(
    outputs: dict[str, Any], rows: int
) -> None:
    assert read(limit=5, **outputs) == Answer(7, rows, None)


def test_answers_differ_by_their_largest_difference() -> None:
    one, other = Answer(1, 2, floats(0.5, 0.5)), Answer(2, 2, floats(0.25, 0.75))
    assert one.difference(other) == 0.25
    for incomparable in (Answer(2, 2), Answer(2, 1, floats(0.5))):
        assert one.difference(incomparable) is None
    assert one.difference(Answer(2, 2, floats(math.nan, 0.5))) is None


def test_a_new_address_leaves_every_other_field_alone() -> None:
    request = PredictRequest(output_filter=["probability"])
    request.model_spec.name = "ctr"
    request.model_spec.version_label = "stable"
    request.model_spec.signature_name = "rank"
    for name in ("user", "item", "history"):
        request.inputs[name].CopyFrom(tf.make_tensor_proto(np.arange(50)))
    view = messages.Request.FromString(request.SerializeToString())
    view.model_spec.name = "deep"
    view.model_spec.version.value = 9
    sent = PredictRequest.FromString(view.SerializeToString())
    request.model_spec.name = "deep"
    request.model_spec.version.value = 9
    assert sent == request
