"""A model server of a few lines, that does as a test tells it."""

import concurrent.futures
import threading
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

COLUMNS = {
    "user": (tf.int64, False),
    "history": (tf.string, True),
    "ages": (tf.int64, True),
    "item": (tf.string, False),
    "price": (tf.float32, False),
}
OF_ITEMS = {"item", "price"}


def signature(rank: bool = False) -> SignatureDef:
    made = SignatureDef()
    for name, (dtype, is_list) in COLUMNS.items():
        rows = 1 if rank and name not in OF_ITEMS else -1
        info = made.inputs[name]
        info.dtype = dtype.as_datatype_enum
        for size in [rows, -1] if is_list else [rows]:
            info.tensor_shape.dim.add().size = size
    made.outputs["probability"].dtype = tf.float32.as_datatype_enum
    return made


class FakeModel(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """Keeps what it is asked, and fails as often as it is told."""

    def __init__(self) -> None:
        self.requests: list[predict_pb2.PredictRequest] = []
        self.asked_for_signatures = 0
        self.failures: list[grpc.StatusCode] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.outputs: dict[str, Any] = {"probability": [0.25, 0.5]}

    @property
    def inputs(self) -> dict[str, np.ndarray[Any, Any]]:
        return {k: tf.make_ndarray(x) for k, x in self.requests[-1].inputs.items()}

    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.requests.append(request)
        self.may_answer.wait()
        if self.failures:
            context.abort(self.failures.pop(0), "as it was told")
        return predict_pb2.PredictResponse(
            outputs={
                name: tf.make_tensor_proto(value)
                for name, value in self.outputs.items()
            }
        )

    def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.asked_for_signatures += 1
        signatures = get_model_metadata_pb2.SignatureDefMap(
            signature_def={
                "predict_raw": signature(),
                "top_k": signature(),
                "rank": signature(rank=True),
            }
        )
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.metadata["signature_def"].Pack(signatures)
        return response

    def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        states = get_model_status_pb2.ModelVersionStatus
        return get_model_status_pb2.GetModelStatusResponse(
            model_version_status=[
                states(version=2, state=states.LOADING),
                states(version=1, state=states.AVAILABLE),
            ]
        )


def serve(model: FakeModel, address: str = "127.0.0.1:0") -> tuple[grpc.Server, str]:
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(2),
        options=[("grpc.max_receive_message_length", -1)],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(model, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(model, server)
    port = server.add_insecure_port(address)
    server.start()
    return server, f"127.0.0.1:{port}"
