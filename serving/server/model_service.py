"""`tensorflow.serving.ModelService` over gRPC."""

import grpc
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
)

from clickwright.serving.server.calls import Calls
from clickwright.serving.server.inference import Inference


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """State of the served models, and what is served.

    Args:
        inference: knows the models.
        calls: sends the errors of calls.
    """

    def __init__(self, inference: Inference, calls: Calls) -> None:
        self._inference = inference
        self._calls = calls

    async def GetModelStatus(  # noqa: N802
        self,
        request: get_model_status_pb2.GetModelStatusRequest,
        context: grpc.aio.ServicerContext,
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """Gives the state of a model's versions."""
        return await self._calls.answer(self._inference.status(request), context)

    async def HandleReloadConfigRequest(  # noqa: N802
        self,
        request: model_management_pb2.ReloadConfigRequest,
        context: grpc.aio.ServicerContext,
    ) -> model_management_pb2.ReloadConfigResponse:
        """Serves what the request's config lists, and nothing else."""
        return await self._calls.answer(self._inference.reload(request), context)
