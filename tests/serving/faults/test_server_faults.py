"""What a model server goes through, and that it goes on."""

import concurrent.futures
import json
import pathlib
import random
import signal
import socket
import time
from collections.abc import Iterator

import grpc
import httpx
import hypothesis
import numpy as np
import psutil
import pytest
import tensorflow as tf
import tiny_served_model
from google.protobuf.message import Message
from hypothesis import strategies as st
from server_process import RunningServer, ours, server_process
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

SECONDS = 60.0
PREDICTION = "/tensorflow.serving.PredictionService/"
MODEL = "/tensorflow.serving.ModelService/"
MALFORMED = 10_000


@pytest.fixture(scope="module")
def channel(model_server: RunningServer) -> Iterator[grpc.Channel]:
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(model_server.grpc_address, options) as made:
        yield made


def works(server: RunningServer) -> bool:
    """Whether both ports give the right answer."""
    columns = tiny_served_model.rows(3)
    request = valid_requests()["Predict"]
    with grpc.insecure_channel(server.grpc_address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        response = stub.Predict(request, SECONDS)
    found = tf.make_ndarray(response.outputs["probability"])
    rest = httpx.post(
        f"{server.rest_url}/v1/models/half_plus_two:predict",
        json={"instances": [2.0]},
        timeout=SECONDS,
    )
    right = np.allclose(found, tiny_served_model.answers(columns, 1), rtol=1e-5)
    return bool(right) and rest.json() == {"predictions": [3.0]}


def valid_requests() -> dict[str, Message]:
    """One for each method, of the stable version where a model answers."""
    predict = predict_pb2.PredictRequest()
    predict.model_spec.name = "tiny"
    predict.model_spec.version_label = "stable"
    predict.model_spec.signature_name = "predict_raw"
    for name, values in tiny_served_model.rows(3).items():
        predict.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    classify = classification_pb2.ClassificationRequest()
    regress = regression_pb2.RegressionRequest()
    for request, signature in ((classify, "classify"), (regress, "regress")):
        request.model_spec.name = "tiny"
        request.model_spec.signature_name = signature
        for row in tiny_served_model.examples(tiny_served_model.rows(2)):
            request.input.example_list.examples.add().ParseFromString(row)
    both = inference_pb2.MultiInferenceRequest(input=regress.input)
    for request, method in ((classify, "classify"), (regress, "regress")):
        both.tasks.add(
            model_spec=request.model_spec, method_name=f"tensorflow/serving/{method}"
        )
    metadata = get_model_metadata_pb2.GetModelMetadataRequest(
        model_spec=predict.model_spec, metadata_field=["signature_def"]
    )
    status = get_model_status_pb2.GetModelStatusRequest(model_spec=predict.model_spec)
    return {
        "Predict": predict,
        "Classify": classify,
        "Regress": regress,
        "MultiInference": both,
        "GetModelMetadata": metadata,
        "GetModelStatus": status,
        # An empty config would be a valid one.
        "HandleReloadConfigRequest": model_management_pb2.ReloadConfigRequest(),
    }


BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["instances", "inputs", "examples", "b64", "x", "context"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


def damaged(raw: bytes, chance: random.Random) -> bytes:
    """The message with a few bytes changed, removed or added."""
    found = bytearray(raw)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(found) + 1)
        kind = chance.randrange(3)
        if kind == 0 and place < len(found):
            found[place] = chance.randrange(256)
        elif kind == 1:
            del found[place : place + chance.randint(1, 16)]
        else:
            found[place:place] = chance.randbytes(chance.randint(1, 16))
    return bytes(found)


@pytest.mark.skipif(not ours(), reason="what the other server can bear is its own")
def test_malformed_requests_neither_end_the_server_nor_fill_its_memory(
    model_server: RunningServer, channel: grpc.Channel
) -> None:
    process = psutil.Process(model_server.process.pid)
    requests = {
        (MODEL if "Status" in name or "Reload" in name else PREDICTION) + name: message
        for name, message in valid_requests().items()
    }
    raw = {path: message.SerializeToString() for path, message in requests.items()}
    calls = {path: channel.unary_unary(path) for path in requests}
    codes: dict[grpc.StatusCode, int] = {}
    sent = 0

    def send(chance: random.Random, count: int) -> None:
        nonlocal sent
        pending = []
        for _ in range(count):
            path = chance.choice(sorted(calls))
            body = chance.choice([damaged(raw[path], chance), chance.randbytes(40)])
            if path.endswith("HandleReloadConfigRequest"):
                body = body[:3]  # too short for a config
            pending.append(calls[path].future(body, timeout=SECONDS))
        for one in pending:
            code = one.code()
            codes[code] = codes.get(code, 0) + 1
        sent += count

    with httpx.Client(base_url=model_server.rest_url, timeout=SECONDS) as rest:

        @hypothesis.settings(
            max_examples=60, deadline=None, database=None, derandomize=True
        )
        @hypothesis.given(
            seed=st.integers(0, 2**32),
            body=BODIES.map(lambda x: json.dumps(x).encode()) | st.binary(max_size=60),
            path=st.sampled_from(
                [
                    "tiny:predict",
                    "half_plus_two:predict",
                    "tiny:classify",
                    "%00:regress",
                ]
            ),
        )
        def attack(seed: int, body: bytes, path: str) -> None:
            send(random.Random(seed), 60)
            status = rest.post(f"/v1/models/{path}", content=body).status_code
            assert status in (200, 400, 404, 501), (status, body)

        attack()
        before = process.memory_info().rss
        chance = random.Random(5)
        while sent < MALFORMED:
            send(chance, 200)
    grown = process.memory_info().rss - before

    assert works(model_server)
    assert sent >= MALFORMED
    # Some are changed where it does no harm; none may hang or hit a defect.
    assert codes[grpc.StatusCode.INVALID_ARGUMENT] > 100, codes
    assert grpc.StatusCode.DEADLINE_EXCEEDED not in codes, codes
    assert grpc.StatusCode.UNAVAILABLE not in codes, codes
    assert grpc.StatusCode.UNKNOWN not in codes, codes
    assert grpc.StatusCode.INTERNAL not in codes, codes
    assert "Traceback" not in model_server.log.read_text(errors="replace")
    assert grown < 64 << 20, f"{grown >> 20} MB more after the second half"


@pytest.mark.skipif(not ours(), reason="a limit of this product's server")
def test_an_oversized_message_is_refused_on_both_ports(
    model_server: RunningServer, channel: grpc.Channel
) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "half_plus_two"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.ones(2 << 20, np.float32)))
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request, SECONDS)
    body = b'{"instances": [' + b"1," * (2 << 20) + b"1]}"
    refused = httpx.post(
        f"{model_server.rest_url}/v1/models/half_plus_two:predict",
        content=body,
        timeout=SECONDS,
    )

    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert str(4 << 20) in caught.value.details()
    assert refused.status_code == 413
    assert str(4 << 20) in refused.json()["error"]
    assert works(model_server)


def test_a_slow_client_is_cut_off_and_keeps_nobody_waiting(
    model_server: RunningServer,
) -> None:
    head = (
        b"POST /v1/models/half_plus_two:predict HTTP/1.1\r\nHost: x\r\n"
        b"Content-Length: 1000\r\n\r\n{"
    )
    slow = [
        socket.create_connection(("127.0.0.1", model_server.rest_port))
        for _ in range(50)
    ]
    try:
        for one in slow:
            one.sendall(head)
        assert works(model_server)
        slow[0].settimeout(SECONDS)
        assert slow[0].recv(1000).startswith(b"HTTP/1.1 504 ")
    finally:
        for one in slow:
            one.close()
    assert works(model_server)


def test_a_second_server_on_a_port_says_so_and_the_first_goes_on(
    model_server: RunningServer, served_config: pathlib.Path
) -> None:
    ports = (model_server.grpc_port, model_server.rest_port)
    flags = [f"--model_config_file={served_config}"]
    if not ours():
        flags += ["--grpc_channel_arguments=grpc.so_reuseport=0"]
    with server_process(*flags, ports=ports, wait=False) as second:
        assert second.process.wait(120) != 0
        said = second.log.read_text()
    assert str(model_server.grpc_port) in said
    if ours():
        assert "is taken" in said and "Fix: " in said and "Traceback" not in said
    assert works(model_server)


def test_a_model_without_the_signature_says_so_and_serves_the_others(
    model_server: RunningServer, channel: grpc.Channel
) -> None:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "half_plus_two"
    request.model_spec.signature_name = "rank"
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request, SECONDS)
    rest = httpx.post(
        f"{model_server.rest_url}/v1/models/half_plus_two:predict",
        json={"signature_name": "rank", "instances": [1]},
        timeout=SECONDS,
    )

    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert caught.value.details() == 'Serving signature key "rank" not found.'
    assert rest.status_code == 400
    assert '"rank" not found' in rest.json()["error"]
    assert works(model_server)


@pytest.fixture(scope="module")
def restarted(
    served_config: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A server that batches, in the place of one that was killed."""
    batching = tmp_path_factory.mktemp("restarted") / "batching.config"
    # A batch waits two seconds for more rows: long enough to stop the server in.
    batching.write_text(
        "max_batch_size { value: 8 } batch_timeout_micros { value: 2000000 } "
        "num_batch_threads { value: 1 } max_enqueued_batches { value: 100 } "
        "allowed_batch_sizes: 2 allowed_batch_sizes: 8"
    )
    flags = [
        f"--model_config_file={served_config}",
        "--enable_batching=true",
        f"--batching_parameters_file={batching}",
        "--allow_version_labels_for_unavailable_models=true",
    ]
    with server_process(*flags) as killed:
        killed.process.send_signal(signal.SIGKILL)
        killed.process.wait()
        with pytest.raises(grpc.RpcError) as caught:
            works(killed)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    ports = (killed.grpc_port, killed.rest_port)
    with server_process(*flags, ports=ports) as server:
        yield server


def test_a_server_that_is_killed_serves_again_on_the_same_ports(
    restarted: RunningServer,
) -> None:
    assert works(restarted)


@pytest.mark.skipif(not ours(), reason="how the other server ends is its own")
def test_a_server_told_to_stop_answers_what_it_has_taken(
    restarted: RunningServer,
) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "half_plus_two"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.array([2], np.float32)))
    with (
        grpc.insecure_channel(restarted.grpc_address) as channel,
        concurrent.futures.ThreadPoolExecutor(8) as threads,
    ):
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        # Eight rows are a whole batch, which waits for no more.
        full = [threads.submit(stub.Predict, request, SECONDS) for _ in range(8)]
        assert [one.result().outputs["y"].float_val[:] for one in full] == [[3.0]] * 8

        waiting = stub.Predict.future(request, SECONDS)
        time.sleep(0.5)
        restarted.process.terminate()

        assert waiting.result().outputs["y"].float_val == [3.0]
        assert restarted.process.wait(30) == 0
