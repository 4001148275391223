"""`tensorflow.serving.PredictionService` over gRPC."""

import grpc
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    inference_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from clickwright.serving.server.calls import Calls
from clickwright.serving.server.inference import Inference


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predictions and metadata of the served models.

    Args:
        inference: answers.
        calls: counts and times the calls, and sends their errors.
    """

    def __init__(self, inference: Inference, calls: Calls) -> None:
        self._inference = inference
        self._calls = calls

    async def Predict(  # noqa: N802
        self, request: predict_pb2.PredictRequest, context: grpc.aio.ServicerContext
    ) -> predict_pb2.PredictResponse:
        """Runs a signature on named tensors."""
        return await self._calls.answer(
            self._inference.predict(request), context, "Predict", request.model_spec
        )

    async def Classify(  # noqa: N802
        self,
        request: classification_pb2.ClassificationRequest,
        context: grpc.aio.ServicerContext,
    ) -> classification_pb2.ClassificationResponse:
        """Gives classes and scores of Examples."""
        return await self._calls.answer(
            self._inference.classify(request), context, "Classify", request.model_spec
        )

    async def Regress(  # noqa: N802
        self,
        request: regression_pb2.RegressionRequest,
        context: grpc.aio.ServicerContext,
    ) -> regression_pb2.RegressionResponse:
        """Gives one value an Example."""
        return await self._calls.answer(
            self._inference.regress(request), context, "Regress", request.model_spec
        )

    async def MultiInference(  # noqa: N802
        self,
        request: inference_pb2.MultiInferenceRequest,
        context: grpc.aio.ServicerContext,
    ) -> inference_pb2.MultiInferenceResponse:
        """Runs several signatures on the same Examples."""
        return await self._calls.answer(
            self._inference.multi_inference(request), context
        )

    async def GetModelMetadata(  # noqa: N802
        self,
        request: get_model_metadata_pb2.GetModelMetadataRequest,
        context: grpc.aio.ServicerContext,
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """Gives the signatures of a model."""
        return await self._calls.answer(self._inference.metadata(request), context)
