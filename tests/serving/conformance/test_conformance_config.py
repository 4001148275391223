"""What a server serves, and how that changes while it runs."""

import contextlib
import pathlib
import time
from collections.abc import Callable, Iterator

import grpc
import pytest
from google.protobuf import text_format
from server_process import RunningServer, server_process
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config import model_server_config_pb2

SECONDS = 60.0


@pytest.fixture(scope="module")
def channel(model_server: RunningServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(model_server.grpc_address) as made:
        yield made


@pytest.fixture
def config(
    channel: grpc.Channel, served_config: pathlib.Path
) -> Iterator[model_server_config_pb2.ModelServerConfig]:
    """What is served, to be changed; afterwards all is as it was."""
    text = served_config.read_text()
    before = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    changed = model_server_config_pb2.ModelServerConfig()
    changed.CopyFrom(before)
    yield changed
    served_config.write_text(text)
    reload(channel, before)
    eventually(lambda: versions(channel, "tiny") == {1, 2, 3})


def reload(
    channel: grpc.Channel, config: model_server_config_pb2.ModelServerConfig
) -> model_management_pb2.ReloadConfigResponse:
    return model_service_pb2_grpc.ModelServiceStub(channel).HandleReloadConfigRequest(
        model_management_pb2.ReloadConfigRequest(config=config), SECONDS
    )


def versions(channel: grpc.Channel, model: str) -> set[int]:
    """Those of the model that answer."""
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = model
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    try:
        found = stub.GetModelStatus(request, SECONDS).model_version_status
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND, error
        return set()
    return {
        one.version
        for one in found
        if one.state == get_model_status_pb2.ModelVersionStatus.AVAILABLE
    }


def label_leads_to(channel: grpc.Channel, label: str) -> int:
    """The version of `tiny` behind a label; 0 for a label that there is not."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "tiny"
    request.model_spec.version_label = label
    request.model_spec.signature_name = "top_k"
    request.inputs["user_id"].dtype = 7
    request.inputs["user_id"].string_val.append(b"user 1")
    request.inputs["user_id"].tensor_shape.dim.add().size = 1
    request.inputs["history"].dtype = 9
    request.inputs["history"].tensor_shape.dim.add().size = 1
    request.inputs["history"].tensor_shape.dim.add().size = 2
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    with contextlib.suppress(grpc.RpcError):
        return stub.Predict(request, SECONDS).model_spec.version.value
    return 0


def eventually(true: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def test_a_label_moves_with_a_reload(
    channel: grpc.Channel, config: model_server_config_pb2.ModelServerConfig
) -> None:
    labels = config.model_config_list.config[0].version_labels
    labels["stable"] = 2
    labels["canary"] = 3

    response = reload(channel, config)

    assert response.status.error_code == 0
    assert label_leads_to(channel, "stable") == 2
    assert label_leads_to(channel, "canary") == 3


def test_specific_versions_stay_and_the_others_go(
    channel: grpc.Channel, config: model_server_config_pb2.ModelServerConfig
) -> None:
    tiny = config.model_config_list.config[0]
    tiny.version_labels.pop("canary")
    tiny.model_version_policy.specific.versions.extend([1, 3])

    reload(channel, config)

    eventually(lambda: versions(channel, "tiny") == {1, 3})
    assert label_leads_to(channel, "canary") == 0


def test_a_model_that_is_listed_no_more_goes(
    channel: grpc.Channel, config: model_server_config_pb2.ModelServerConfig
) -> None:
    del config.model_config_list.config[1]
    reload(channel, config)
    eventually(lambda: versions(channel, "half_plus_two") == set())
    assert versions(channel, "tiny") == {1, 2, 3}


def test_a_config_that_cannot_be_followed_changes_nothing(
    channel: grpc.Channel, config: model_server_config_pb2.ModelServerConfig
) -> None:
    config.model_config_list.config.add().CopyFrom(config.model_config_list.config[0])
    with pytest.raises(grpc.RpcError) as caught:
        reload(channel, config)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "multiple times" in caught.value.details()

    with pytest.raises(grpc.RpcError, match="Only ModelConfigList is currently"):
        reload(channel, model_server_config_pb2.ModelServerConfig())
    assert label_leads_to(channel, "stable") == 1


def test_a_changed_file_is_followed(
    channel: grpc.Channel,
    config: model_server_config_pb2.ModelServerConfig,
    served_config: pathlib.Path,
) -> None:
    config.model_config_list.config[0].version_labels["stable"] = 3
    served_config.write_text(text_format.MessageToString(config))
    eventually(lambda: label_leads_to(channel, "stable") == 3)


def test_a_file_that_is_no_config_ends_the_start(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "models.config"
    path.write_text("model_config_list { improbable: 1 }")
    with server_process(f"--model_config_file={path}", wait=False) as server:
        assert server.process.wait(120) != 0
        said = server.log.read_text()
    assert "improbable" in said or "ModelServerConfig" in said
    assert "Traceback" not in said
