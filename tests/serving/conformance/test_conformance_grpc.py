"""TF Serving's gRPC services, called at an address as any client calls them."""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
import tiny_served_model
from server_process import RunningServer, ours
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

SECONDS = 20.0


@pytest.fixture(scope="module")
def channel(model_server: RunningServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(model_server.grpc_address) as made:
        yield made


@pytest.fixture(scope="module")
def prediction(
    channel: grpc.Channel,
) -> prediction_service_pb2_grpc.PredictionServiceStub:
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def models(channel: grpc.Channel) -> model_service_pb2_grpc.ModelServiceStub:
    return model_service_pb2_grpc.ModelServiceStub(channel)


@contextlib.contextmanager
def refused(code: grpc.StatusCode, *said: str) -> Iterator[None]:
    with pytest.raises(grpc.RpcError) as caught:
        yield
    assert caught.value.code() == code, caught.value
    for text in said:
        assert text in caught.value.details()


def predict(
    columns: dict[str, np.ndarray],
    model: str = "tiny",
    signature: str = "predict_raw",
    **spec: object,
) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if "version" in spec:
        request.model_spec.version.value = spec["version"]
    if "label" in spec:
        request.model_spec.version_label = spec["label"]
    for name, values in columns.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    return request


def test_predict_answers_in_the_typed_field_and_says_who_answered(
    prediction: prediction_service_pb2_grpc.PredictionServiceStub,
) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "half_plus_two"
    request.inputs["x"].dtype = tf.float32.as_datatype_enum
    request.inputs["x"].float_val.append(2.0)
    request.inputs["x"].tensor_shape.dim.add().size = 1
    request.output_filter.append("y")

    response = prediction.Predict(request, SECONDS)

    assert list(response.outputs) == ["y"]
    assert response.outputs["y"].float_val == [3.0]
    assert response.model_spec.name == "half_plus_two"
    assert response.model_spec.version.value == 123
    assert response.model_spec.signature_name == "serving_default"


@pytest.mark.parametrize("signature", ["predict_raw", "serving_default", "rank"])
def test_every_signature_gives_the_models_answers(
    prediction: prediction_service_pb2_grpc.PredictionServiceStub, signature: str
) -> None:
    columns = (tiny_served_model.ranking if signature == "rank" else _rows)(9)
    expected = tiny_served_model.answers(columns, version=3)
    if signature == "serving_default":
        columns = {"examples": tiny_served_model.examples(columns)}

    response = prediction.Predict(predict(columns, signature=signature), SECONDS)

    found = tf.make_ndarray(response.outputs["probability"])
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def _rows(count: int) -> dict[str, np.ndarray]:
    return tiny_served_model.rows(count)


@pytest.mark.parametrize(
    ("spec", "version"),
    [({}, 3), ({"version": 2}, 2), ({"label": "stable"}, 1), ({"label": "canary"}, 2)],
)
def test_a_version_or_a_label_chooses_who_answers(
    prediction: prediction_service_pb2_grpc.PredictionServiceStub,
    spec: dict,
    version: int,
) -> None:
    columns = tiny_served_model.rows(2)

    response = prediction.Predict(predict(columns, **spec), SECONDS)

    assert response.model_spec.version.value == version
    np.testing.assert_allclose(
        tf.make_ndarray(response.outputs["probability"]),
        tiny_served_model.answers(columns, version),
        rtol=1e-5,
    )


@pytest.mark.parametrize(
    ("request_", "code", "said"),
    [
        (predict_pb2.PredictRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (predict({}, model="nobody"), "NOT_FOUND", "Servable not found for request"),
        (predict({}, version=9), "NOT_FOUND", "Servable not found for request"),
        (predict({}, label="new"), "INVALID_ARGUMENT", "Unrecognized servable version"),
        (
            predict({}, signature="nothing"),
            "FAILED_PRECONDITION",
            'Serving signature key "nothing" not found.',
        ),
        (
            predict(
                {"x": np.ones(1, np.float32), "z": np.ones(1)}, "half_plus_two", ""
            ),
            "INVALID_ARGUMENT",
            "input size does not match signature: 2!=1",
        ),
        (
            predict({}, "half_plus_two", ""),
            "INVALID_ARGUMENT",
            "Missing but required: {x}",
        ),
        (
            predict({"x": np.ones(1, np.int64)}, "half_plus_two", ""),
            "INVALID_ARGUMENT",
            "",
        ),
    ],
)
def test_what_cannot_be_answered_gets_tf_servings_code_and_words(
    prediction: prediction_service_pb2_grpc.PredictionServiceStub,
    request_: predict_pb2.PredictRequest,
    code: str,
    said: str,
) -> None:
    with refused(grpc.StatusCode[code], said):
        prediction.Predict(request_, SECONDS)


def test_an_output_is_wanted_once_and_must_exist(
    prediction: prediction_service_pb2_grpc.PredictionServiceStub,
) -> None:
    request = predict({"x": np.ones(1, np.float32)}, "half_plus_two", "")
    request.output_filter.extend(["z"])
    with refused(
        grpc.StatusCode.INVALID_ARGUMENT,
        "output tensor alias not found in signature: z",
    ):
        prediction.Predict(request, SECONDS)
    request.output_filter[:] = ["y", "y"]
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "duplicate output tensor alias: y"):
        prediction.Predict(request, SECONDS)


def test_a_tensor_that_cannot_be_read_is_named(
    prediction: prediction_service_pb2_grpc.PredictionServiceStub,
) -> None:
    request = predict({"x": np.ones(3, np.float32)}, "half_plus_two", "")
    request.inputs["x"].tensor_content = b"12345"
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "tensor parsing error: x"):
        prediction.Predict(request, SECONDS)


def test_the_models_own_failure_reaches_the_client(
    prediction: prediction_service_pb2_grpc.PredictionServiceStub,
) -> None:
    request = predict({"item_id": np.array([1])}, signature="fails")
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "the model refuses the row"):
        prediction.Predict(request, SECONDS)


def _fill(request: Any, signature: str) -> None:
    request.model_spec.name = "half_plus_two"
    request.model_spec.signature_name = signature
    for x in (2.0, 4.0):
        example = request.input.example_list.examples.add()
        example.features.feature["x"].float_list.value.append(x)


def test_classify_gives_labels_and_scores(
    prediction: prediction_service_pb2_grpc.PredictionServiceStub,
) -> None:
    request = classification_pb2.ClassificationRequest()
    _fill(request, "classify_x_to_y")

    response = prediction.Classify(request, SECONDS)

    scores = [row.classes[0].score for row in response.result.classifications]
    assert scores == [3.0, 4.0]
    assert response.model_spec.version.value == 123
    assert response.model_spec.signature_name == "classify_x_to_y"

    request.model_spec.name = "tiny"
    request.model_spec.signature_name = "classify"
    del request.input.example_list.examples[:]
    request.input.example_list.examples.add()
    (row,) = prediction.Classify(request, SECONDS).result.classifications
    assert [one.label for one in row.classes] == ["skip", "click"]
    assert sum(one.score for one in row.classes) == pytest.approx(1)


def test_regress_gives_values(
    prediction: prediction_service_pb2_grpc.PredictionServiceStub,
) -> None:
    request = regression_pb2.RegressionRequest()
    _fill(request, "regress_x_to_y")
    values = prediction.Regress(request, SECONDS).result.regressions
    assert [value.value for value in values] == [3.0, 4.0]


def test_features_of_the_context_are_those_of_every_example(
    prediction: prediction_service_pb2_grpc.PredictionServiceStub,
) -> None:
    request = regression_pb2.RegressionRequest()
    request.model_spec.name = "half_plus_two"
    request.model_spec.signature_name = "regress_x_to_y"
    both = request.input.example_list_with_context
    both.context.features.feature["x"].float_list.value.append(2.0)
    both.examples.add()
    both.examples.add().features.feature["x"].float_list.value.append(8.0)

    values = prediction.Regress(request, SECONDS).result.regressions

    assert [value.value for value in values] == [3.0, 6.0]


@pytest.mark.parametrize(
    ("signature", "said"),
    [
        ("nothing", "No signature was found with the name: nothing"),
        ("serving_default", "No regression inputs found in SignatureDef"),
    ],
)
def test_a_signature_that_does_not_regress_is_refused(
    prediction: prediction_service_pb2_grpc.PredictionServiceStub,
    signature: str,
    said: str,
) -> None:
    request = regression_pb2.RegressionRequest()
    _fill(request, signature)
    with refused(grpc.StatusCode.INVALID_ARGUMENT, said):
        prediction.Regress(request, SECONDS)


def test_examples_must_be_there(
    prediction: prediction_service_pb2_grpc.PredictionServiceStub,
) -> None:
    request = regression_pb2.RegressionRequest()
    _fill(request, "regress_x_to_y")
    request.input.Clear()
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "Input is empty."):
        prediction.Regress(request, SECONDS)


def _tasks(*tasks: tuple[str, str, str]) -> inference_pb2.MultiInferenceRequest:
    request = inference_pb2.MultiInferenceRequest()
    for model, signature, method in tasks:
        task = request.tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.name = model
        task.model_spec.signature_name = signature
    example = request.input.example_list.examples.add()
    example.features.feature["x"].float_list.value.append(2.0)
    return request


REGRESS = ("half_plus_two", "regress_x_to_y", "regress")
CLASSIFY = ("half_plus_two", "classify_x_to_y", "classify")


def test_multi_inference_answers_each_task(
    prediction: prediction_service_pb2_grpc.PredictionServiceStub,
) -> None:
    first, second = prediction.MultiInference(
        _tasks(REGRESS, CLASSIFY), SECONDS
    ).results

    assert first.regression_result.regressions[0].value == 3.0
    assert second.classification_result.classifications[0].classes[0].score == 3.0
    for result, task in ((first, REGRESS), (second, CLASSIFY)):
        assert result.model_spec.name == "half_plus_two"
        assert result.model_spec.signature_name == task[1]
        assert result.model_spec.version.value == 123


@pytest.mark.parametrize(
    ("tasks", "code", "said"),
    [
        (
            [REGRESS, ("tiny", "regress", "regress")],
            "INVALID_ARGUMENT",
            "must access the same model name",
        ),
        ([REGRESS, REGRESS], "INVALID_ARGUMENT", "Duplicate evaluation of signature"),
        (
            [("half_plus_two", "nothing", "regress")],
            "INVALID_ARGUMENT",
            "Requested signature not found in model graph: nothing",
        ),
        (
            [("half_plus_two", "regress_x_to_y", "predict")],
            "UNIMPLEMENTED",
            "Unsupported signature method_name: tensorflow/serving/predict",
        ),
    ],
)
def test_tasks_must_fit_together(
    prediction: prediction_service_pb2_grpc.PredictionServiceStub,
    tasks: list[tuple[str, str, str]],
    code: str,
    said: str,
) -> None:
    with refused(grpc.StatusCode[code], said):
        prediction.MultiInference(_tasks(*tasks), SECONDS)


def test_metadata_are_the_signatures(
    prediction: prediction_service_pb2_grpc.PredictionServiceStub,
) -> None:
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = "tiny"
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "at least one metadata_field"):
        prediction.GetModelMetadata(request, SECONDS)
    request.metadata_field.append("weights")
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "field weights is not supported"):
        prediction.GetModelMetadata(request, SECONDS)
    request.metadata_field[:] = ["signature_def"]

    response = prediction.GetModelMetadata(request, SECONDS)

    found = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(found)
    assert response.model_spec.version.value == 3
    assert {"serving_default", "predict_raw", "rank"} <= set(found.signature_def)
    rank = found.signature_def["rank"].inputs
    assert rank["user_id"].tensor_shape.dim[0].size == 1
    assert rank["item_id"].tensor_shape.dim[0].size == -1


def test_status_lists_the_versions(
    models: model_service_pb2_grpc.ModelServiceStub,
) -> None:
    request = get_model_status_pb2.GetModelStatusRequest()
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec"):
        models.GetModelStatus(request, SECONDS)
    request.model_spec.name = "tiny"
    available = get_model_status_pb2.ModelVersionStatus.AVAILABLE

    found = models.GetModelStatus(request, SECONDS).model_version_status

    assert {version.version: version.state for version in found} == {
        number: available for number in (1, 2, 3)
    }
    assert all(version.status.error_code == 0 for version in found)
    request.model_spec.version.value = 2
    (one,) = models.GetModelStatus(request, SECONDS).model_version_status
    assert one.version == 2
    request.model_spec.version.value = 9
    with refused(grpc.StatusCode.NOT_FOUND, "Could not find version 9 of model tiny"):
        models.GetModelStatus(request, SECONDS)
    request.model_spec.name = "nobody"
    request.model_spec.ClearField("version")
    with refused(
        grpc.StatusCode.NOT_FOUND, "Could not find any versions of model nobody"
    ):
        models.GetModelStatus(request, SECONDS)


def test_a_unix_socket_leads_to_the_same_server(
    model_server: RunningServer, served_config: pathlib.Path
) -> None:
    socket = served_config.with_name("grpc.sock")
    with grpc.insecure_channel(f"unix:{socket}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        request = predict({"x": np.array([2], np.float32)}, "half_plus_two", "")
        assert stub.Predict(request, SECONDS).outputs["y"].float_val == [3.0]


def test_a_deadline_ends_the_call(
    prediction: prediction_service_pb2_grpc.PredictionServiceStub,
) -> None:
    with refused(grpc.StatusCode.DEADLINE_EXCEEDED):
        prediction.Predict(predict(tiny_served_model.rows(10_000)), timeout=1e-4)


@pytest.mark.skipif(not ours(), reason="a limit of this product's server")
def test_too_many_candidates_are_refused(
    prediction: prediction_service_pb2_grpc.PredictionServiceStub,
) -> None:
    request = predict({"x": np.zeros(20_001, np.float32)}, "half_plus_two", "")
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "holds 20001 rows", "20000"):
        prediction.Predict(request, SECONDS)


@pytest.mark.skipif(not ours(), reason="off by default in TF Serving")
def test_grpcs_health_protocol_is_spoken(channel: grpc.Channel) -> None:
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    stub = health_pb2_grpc.HealthStub(channel)
    for service in ("", "tensorflow.serving.PredictionService", "ModelService"):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), SECONDS)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
