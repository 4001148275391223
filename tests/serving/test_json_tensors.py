"""JSON of the REST API: what TF Serving takes, what it says, what it refuses."""

import json

import numpy as np
import pytest
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import classification_pb2, regression_pb2

from clickwright.serving.server import json_tensors
from clickwright.serving.server.serving_error import ServingError


def inputs(**types: int) -> dict[str, meta_graph_pb2.TensorInfo]:
    return {name: meta_graph_pb2.TensorInfo(dtype=kind) for name, kind in types.items()}


MIXED = inputs(a=types_pb2.DT_FLOAT, b=types_pb2.DT_INT64, c=types_pb2.DT_STRING)
FLOATS = inputs(x=types_pb2.DT_FLOAT)
TEXTS = inputs(s=types_pb2.DT_STRING)


def test_rows_become_one_tensor_an_input() -> None:
    found = json_tensors.tensors(
        {
            "instances": [
                {"a": 1, "b": [3, 4], "c": "ä"},
                {"a": 2.5, "b": [5, 6], "c": {"b64": "/wA="}},
            ]
        },
        MIXED,
    )

    np.testing.assert_array_equal(found["a"], np.array([1, 2.5], np.float32))
    assert found["a"].dtype == np.float32
    np.testing.assert_array_equal(found["b"], np.array([[3, 4], [5, 6]]))
    assert found["b"].dtype == np.int64
    assert found["c"].tolist() == ["ä".encode(), b"\xff\x00"]


def test_rows_of_one_input_need_no_name() -> None:
    found = json_tensors.tensors({"instances": [[1, 2], [3, 4]]}, FLOATS)
    np.testing.assert_array_equal(found["x"], [[1, 2], [3, 4]])
    texts = json_tensors.tensors({"instances": ["a", {"b64": "Yg"}]}, TEXTS)
    assert texts["s"].tolist() == [b"a", b"b"]


def test_columns_become_the_tensors_that_they_are() -> None:
    found = json_tensors.tensors(
        {"inputs": {"a": 7.0, "b": [], "c": [["x"], ["y"]]}}, MIXED
    )

    assert found["a"].shape == ()
    assert found["b"].shape == (0,)
    assert found["c"].tolist() == [[b"x"], [b"y"]]


@pytest.mark.parametrize(
    ("request_", "known", "said"),
    [
        ({}, FLOATS, "Missing 'inputs' or 'instances' key"),
        ({"inputs": [1], "instances": [1]}, FLOATS, "expecting only one of 'inputs'"),
        ({"instances": 1}, FLOATS, "Expecting 'instances' to be an list/array"),
        ({"instances": []}, FLOATS, "No values in 'instances' array"),
        ({"instances": [1]}, MIXED, "instances is a plain list, but expecting list of"),
        (
            {"inputs": [1]},
            MIXED,
            "inputs is a plain value/list, but expecting an object",
        ),
        ({"inputs": {"a": 1}}, MIXED, "Missing named input: b in 'inputs' object."),
        (
            {"instances": [{"x": 1}, 2]},
            FLOATS,
            "Expecting object but got list at item 1 of input list",
        ),
        (
            {"instances": [1, {"x": 2}]},
            FLOATS,
            "Expecting value/list but got object at item 1 of input list",
        ),
        (
            {"instances": [{"x": 1}, {"x": 1, "y": 2}]},
            FLOATS,
            (
                "Failed to process element: 1 key: y of 'instances' list. Error: "
                "INVALID_ARGUMENT: JSON object: does not have named input: y"
            ),
        ),
        (
            {"instances": [{"a": 1, "b": 2}]},
            MIXED,
            'JSON object: {"a": 1, "b": 2} keys must be equal to: a,b,c',
        ),
        (
            {"instances": [1, "two"]},
            FLOATS,
            (
                "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
                'JSON Value: "two" Type: String is not of expected type: float'
            ),
        ),
        (
            {"instances": [[1, 2], [3]]},
            FLOATS,
            (
                "Failed to process element: 1 of 'instances' list. Error: "
                "INVALID_ARGUMENT: Expecting shape [2] but got: [1]"
            ),
        ),
        (
            {"inputs": [[1, 2], [3]]},
            FLOATS,
            "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
        ),
        ({"inputs": [1, [2]]}, FLOATS, "Encountered list at unexpected level: 1"),
        ({"inputs": [[1], 2]}, FLOATS, "JSON Value: 2 found at incorrect level: 2"),
        ({"inputs": [True]}, FLOATS, "Type: True is not of expected type: float"),
        ({"inputs": [None]}, FLOATS, "Type: Null is not of expected type: float"),
        (
            {"inputs": [1.0]},
            inputs(n=types_pb2.DT_INT64),
            "JSON Value: 1.0 Type: Number is not of expected type: int64",
        ),
        (
            {"inputs": [2**63]},
            inputs(n=types_pb2.DT_INT64),
            "is not of expected type: int64",
        ),
        (
            {"inputs": [2**31]},
            inputs(n=types_pb2.DT_INT32),
            "is not of expected type: int32",
        ),
        ({"inputs": [10**400]}, FLOATS, "is not of expected type: float"),
        ({"inputs": [{"b64": "?"}]}, TEXTS, "Unable to base64 decode"),
        (
            {"inputs": [{"b64": "YQ==", "x": 1}]},
            TEXTS,
            "not formatted correctly for base64 data",
        ),
        ({"inputs": [1]}, TEXTS, "Type: Number is not of expected type: string"),
        ({"inputs": [1.5]}, inputs(h=types_pb2.DT_HALF), "to type: half"),
    ],
)
def test_a_request_that_does_not_fit_is_refused_in_the_servers_words(
    request_: dict, known: dict, said: str
) -> None:
    with pytest.raises(ServingError) as caught:
        json_tensors.tensors(request_, known)
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b"{", "JSON Parse error: "),
        (b'{"a": \xff}', "at offset: 6"),
        (b"[1]", "JSON Value: [1] Is not object"),
        (b"[" * 100_000, "JSON Parse error: "),
        (b'{"a": ' + b"9" * 5000 + b"}", "JSON Parse error: "),
    ],
)
def test_a_body_that_is_no_object_is_refused(body: bytes, said: str) -> None:
    with pytest.raises(ServingError) as caught:
        json_tensors.parse(body)
    assert said in caught.value.message


def test_what_follows_the_object_is_not_looked_at_and_nan_is_a_number() -> None:
    found = json_tensors.parse(b' {"inputs": [NaN, -Infinity]} rubbish')
    values = json_tensors.tensors(found, FLOATS)["x"]
    assert np.isnan(values[0]) and values[1] == -np.inf


def test_rows_of_the_answer_are_values_or_objects() -> None:
    y = np.array([[0.5, 2.0], [1 / 3, 9e6]], np.float32)
    assert json_tensors.by_row({"y": y}) == (
        '{"predictions": [[0.5, 2.0], [0.333333343, 9e+06]]}\n'
    )
    two = json_tensors.by_row(
        {
            "n": np.array([1, -2]),
            "raw_bytes": np.array([b"\xff", b""], object),
            "s": np.array([b"\xc3\xa4", b'"'], object),
        }
    )
    assert json.loads(two) == {
        "predictions": [
            {"n": 1, "raw_bytes": {"b64": "/w=="}, "s": "ä"},
            {"n": -2, "raw_bytes": {"b64": ""}, "s": '"'},
        ]
    }


def test_columns_of_the_answer_keep_their_shapes() -> None:
    assert json_tensors.by_column({"y": np.float64(0.1) * np.ones(())}) == (
        '{"outputs": 0.1}\n'
    )
    found = json.loads(
        json_tensors.by_column(
            {"a": np.zeros((2, 0)), "b": np.array([[True], [False]])}
        )
    )
    assert found == {"outputs": {"a": [[], []], "b": [[True], [False]]}}


def test_numbers_read_back_as_they_were() -> None:
    chance = np.random.default_rng(3)
    bits = chance.integers(0, 2**32, 2000, dtype=np.uint32)
    y = bits.view(np.float32)
    found = json.loads(json_tensors.by_column({"y": y}))["outputs"]
    np.testing.assert_array_equal(np.array(found, np.float32), y)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({}, "Cannot convert empty tensor map to JSON"),
        ({"y": np.ones(())}, "Tensor name: y has no shape information"),
        (
            {"y": np.ones(2), "z": np.ones(3)},
            "Tensor name: z has inconsistent batch size: 3 expecting: 2",
        ),
        ({"y": np.ones(2, np.complex64)}, "Failed to write JSON value"),
    ],
)
def test_an_answer_without_rows_cannot_be_given_by_row(answer: dict, said: str) -> None:
    with pytest.raises(ServingError) as caught:
        json_tensors.by_row(answer)
    assert said in caught.value.message


def test_examples_take_each_type_and_share_a_context() -> None:
    found = json_tensors.example_input(
        {
            "context": {"country": "NO"},
            "examples": [{"n": [1, True], "x": 0.5, "raw": {"b64": "/w=="}}, {}],
        }
    ).example_list_with_context

    feature = found.examples[0].features.feature
    assert feature["n"].int64_list.value == [1, 1]
    assert feature["x"].float_list.value == [0.5]
    assert feature["raw"].bytes_list.value == [b"\xff"]
    assert found.context.features.feature["country"].bytes_list.value == [b"NO"]
    assert len(found.examples) == 2


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({}, "key 'examples' is expected and was not found"),
        ({"examples": {}}, "Expecting 'examples' value to be an list/array"),
        ({"examples": []}, "'examples' value is an empty array"),
        ({"examples": [1]}, "Example must be JSON object but got JSON Number"),
        ({"examples": [{"x": None}]}, "unexpected JSON type: Null"),
        ({"examples": [{"x": [[1]]}]}, "unexpected JSON type: Array"),
        ({"examples": [{"x": [1, 0.5]}]}, "feature: x expecting type: int64"),
        ({"examples": [{"x": 2**63}]}, "has uint64_t element"),
    ],
)
def test_malformed_examples_are_refused(request_: dict, said: str) -> None:
    with pytest.raises(ServingError) as caught:
        json_tensors.example_input(request_)
    assert said in caught.value.message


def test_results_of_examples_are_pairs_or_values() -> None:
    classes = classification_pb2.ClassificationResult()
    one = classes.classifications.add()
    one.classes.add(label="click", score=0.25)
    one.classes.add(label="", score=3)
    values = regression_pb2.RegressionResult()
    values.regressions.add(value=0.1)

    assert json_tensors.classification_json(classes) == (
        '{"results": [[["click", 0.25], ["", 3.0]]]}\n'
    )
    assert json_tensors.regression_json(values) == '{"results": [0.1]}\n'


def test_a_signature_is_named_by_a_string() -> None:
    assert json_tensors.signature_of({}) == ""
    assert json_tensors.signature_of({"signature_name": "rank"}) == "rank"
    with pytest.raises(ServingError, match="must be a string value"):
        json_tensors.signature_of({"signature_name": 1})
