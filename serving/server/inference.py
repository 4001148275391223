"""What the model server answers, whichever way it is asked."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import grpc
import numpy as np
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    input_pb2,
    model_management_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
)

from clickwright.serving.server import examples
from clickwright.serving.server.metrics import Metrics
from clickwright.serving.server.model_manager import ModelManager
from clickwright.serving.server.servable import DEFAULT_SIGNATURE, Servable
from clickwright.serving.server.serving_error import ServingError
from clickwright.serving.server.tensors import to_array, to_proto

SIGNATURE_DEF = "signature_def"
"""The one field of metadata there is."""

Arrays = dict[str, np.ndarray]
_Request: TypeAlias = (
    predict_pb2.PredictRequest
    | classification_pb2.ClassificationRequest
    | regression_pb2.RegressionRequest
    | get_model_metadata_pb2.GetModelMetadataRequest
    | get_model_status_pb2.GetModelStatusRequest
)


class Inference:
    """The calls of TensorFlow Serving's services on the models of a manager.

    Every method raises ServingError with the code and message of TensorFlow Serving.

    Args:
        manager: holds the models.
        metrics: told how many Examples there are.
        max_candidates: rows that one request may hold.
        max_bytes: memory that one tensor of a request may take.
    """

    def __init__(
        self,
        manager: ModelManager,
        metrics: Metrics,
        *,
        max_candidates: int,
        max_bytes: int,
    ) -> None:
        self.manager = manager
        self._metrics = metrics
        self._max_candidates = max_candidates
        self._max_bytes = max_bytes

    async def predict(
        self, request: predict_pb2.PredictRequest
    ) -> predict_pb2.PredictResponse:
        """Runs a signature on named tensors."""
        _check_spec(request)
        with self.manager.lease(request.model_spec) as servable:
            name = request.model_spec.signature_name or DEFAULT_SIGNATURE
            servable.signature(name)  # refuses one that is not there
            inputs = {
                key: to_array(key, tensor, self._max_bytes)
                for key, tensor in request.inputs.items()
            }
            self._check_rows(inputs.values())
            answer = await self.manager.run(
                servable, name, inputs, tuple(request.output_filter)
            )
            response = predict_pb2.PredictResponse()
            _fill_spec(response.model_spec, servable, name)
            for key, array in answer.items():
                response.outputs[key].CopyFrom(to_proto(array))
            return response

    async def predict_arrays(
        self,
        spec: model_pb2.ModelSpec,
        read: Callable[[Mapping[str, meta_graph_pb2.TensorInfo]], Arrays],
    ) -> Arrays:
        """Runs a signature on arrays and returns arrays.

        Args:
            spec: the model and signature.
            read: gives the inputs, told what the signature takes.
        """
        with self.manager.lease(spec) as servable:
            name = spec.signature_name or DEFAULT_SIGNATURE
            if name not in servable.signatures:  # other words than those of `predict`
                raise _invalid(
                    f'Serving signature name: "{name}" not found in signature def'
                )
            known = servable.signatures[name].inputs
            if not known:
                raise _invalid(f"Failed to get input map for signature: {name}")
            inputs = read(known)
            self._check_rows(inputs.values())
            return await self.manager.run(servable, name, inputs)

    async def classify(
        self, request: classification_pb2.ClassificationRequest
    ) -> classification_pb2.ClassificationResponse:
        """Runs a signature that gives classes and scores of Examples."""
        _check_spec(request)
        with self.manager.lease(request.model_spec) as servable:
            name = _example_signature(servable, request.model_spec)
            outputs = examples.check_classify(servable.signatures[name])
            answer, count = await self._on_examples(
                servable, name, request.input, outputs
            )
            response = classification_pb2.ClassificationResponse(
                result=examples.classification(answer, count)
            )
            _fill_spec(response.model_spec, servable, name)
            return response

    async def regress(
        self, request: regression_pb2.RegressionRequest
    ) -> regression_pb2.RegressionResponse:
        """Runs a signature that gives one value an Example."""
        _check_spec(request)
        with self.manager.lease(request.model_spec) as servable:
            name = _example_signature(servable, request.model_spec)
            outputs = examples.check_regress(servable.signatures[name])
            answer, count = await self._on_examples(
                servable, name, request.input, outputs
            )
            response = regression_pb2.RegressionResponse(
                result=examples.regression(answer, count)
            )
            _fill_spec(response.model_spec, servable, name)
            return response

    async def multi_inference(
        self, request: inference_pb2.MultiInferenceRequest
    ) -> inference_pb2.MultiInferenceResponse:
        """Runs several signatures of one model on the same Examples."""
        response = inference_pb2.MultiInferenceResponse()
        first = request.tasks[0].model_spec if request.tasks else model_pb2.ModelSpec()
        with self.manager.lease(first) as servable:
            names = _check_tasks(request)
            wanted = []
            for name, task in zip(names, request.tasks, strict=True):
                signature = servable.signatures.get(name)
                if signature is None:
                    raise _invalid(
                        f"Requested signature not found in model graph: {name}"
                    )
                if task.method_name == examples.CLASSIFY:
                    wanted.append(examples.check_classify(signature))
                elif task.method_name == examples.REGRESS:
                    wanted.append(examples.check_regress(signature))
                else:
                    raise ServingError(
                        grpc.StatusCode.UNIMPLEMENTED,
                        f"Unsupported signature method_name: {task.method_name}",
                    )
            for name, task, outputs in zip(names, request.tasks, wanted, strict=True):
                answer, count = await self._on_examples(
                    servable, name, request.input, outputs
                )
                result = response.results.add()
                _fill_spec(result.model_spec, servable, name)
                if task.method_name == examples.CLASSIFY:
                    result.classification_result.CopyFrom(
                        examples.classification(answer, count)
                    )
                else:
                    result.regression_result.CopyFrom(
                        examples.regression(answer, count)
                    )
        return response

    async def metadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """Returns the signatures of a model."""
        _check_spec(request)
        if not request.metadata_field:
            raise _invalid(
                "GetModelMetadataRequest must specify at least one metadata_field"
            )
        for field in request.metadata_field:
            if field != SIGNATURE_DEF:
                raise _invalid(f"Metadata field {field} is not supported")
        with self.manager.lease(request.model_spec) as servable:
            found = get_model_metadata_pb2.SignatureDefMap()
            for name, signature in servable.signatures.items():
                found.signature_def[name].CopyFrom(signature)
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.model_spec.name = servable.name
            response.model_spec.version.value = servable.version
            response.metadata[SIGNATURE_DEF].Pack(found)
            return response

    async def status(
        self, request: get_model_status_pb2.GetModelStatusRequest
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """Returns the state of a model's versions, or of one."""
        _check_spec(request)
        return get_model_status_pb2.GetModelStatusResponse(
            model_version_status=self.manager.status(request.model_spec)
        )

    async def reload(
        self, request: model_management_pb2.ReloadConfigRequest
    ) -> model_management_pb2.ReloadConfigResponse:
        """Serves what the request's config lists, and nothing else."""
        if request.config.WhichOneof("config") != "model_config_list":
            raise _invalid(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        await self.manager.reload(request.config)
        return model_management_pb2.ReloadConfigResponse(status={"error_code": 0})

    async def _on_examples(
        self,
        servable: Servable,
        name: str,
        given: input_pb2.Input,
        outputs: list[str],
    ) -> tuple[dict[str, np.ndarray], int]:
        rows = examples.serialized(given)
        self._check_rows([rows])
        self._metrics.examples(servable.name, len(rows))
        answer = await self.manager.run(
            servable, name, {examples.INPUTS: rows}, outputs
        )
        return answer, len(rows)

    def _check_rows(self, tensors: Iterable[np.ndarray]) -> None:
        rows = max((x.shape[0] for x in tensors if x.ndim), default=0)
        if rows > self._max_candidates:
            raise _invalid(
                f"The request holds {rows} rows; this server takes at most "
                f"{self._max_candidates} (--max_candidates). Send them in parts."
            )


def _check_spec(request: _Request) -> None:
    if not request.HasField("model_spec"):
        raise _invalid("Missing ModelSpec")


def _fill_spec(spec: model_pb2.ModelSpec, servable: Servable, signature: str) -> None:
    """Says who answered."""
    spec.name = servable.name
    spec.version.value = servable.version
    spec.signature_name = signature


def _example_signature(servable: Servable, spec: model_pb2.ModelSpec) -> str:
    name: str = spec.signature_name or DEFAULT_SIGNATURE
    if name not in servable.signatures:
        raise _invalid(f"No signature was found with the name: {name}")
    return name


def _check_tasks(request: inference_pb2.MultiInferenceRequest) -> list[str]:
    """The tasks' signatures, once each, of one model."""
    names: list[str] = []
    for task in request.tasks:
        if not task.model_spec.name:
            raise _invalid("Found ModelSpec with an empty model name.")
        if task.model_spec.name != request.tasks[0].model_spec.name:
            raise _invalid(
                "All ModelSpecs in a MultiInferenceRequest must access the same model "
                "name."
            )
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if name in names:
            raise _invalid(f"Duplicate evaluation of signature: {name}")
        names.append(name)
    return names


def _invalid(message: str) -> ServingError:
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)
