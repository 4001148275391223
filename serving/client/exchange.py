"""Requests to one model and what its answers say."""

import threading
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    SignatureDefMap,
)
from tensorflow_serving.apis.get_model_status_pb2 import (
    GetModelStatusRequest,
    GetModelStatusResponse,
    ModelVersionStatus,
)
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

from clickwright.schemas.errors import ConfigError, DataError, did_you_mean
from clickwright.serving.client.columns import Array, Columns, dense, named

Scores: TypeAlias = Any
"""An array, the one output of a signature, or arrays by name where it has several."""


class Exchange:
    """Makes requests to a model and reads the answers, whatever carries them.

    Args:
        address: `host:port` of the server's gRPC.
        model: its name.
        version: the version; the server's latest when None.
        label: a version's label, in place of its number.

    Attributes:
        where: address and model, for messages.
        signatures: what the model takes, by name; None until it is known.

    Raises:
        ConfigError: both version and label are given.
    """

    def __init__(
        self, address: str, model: str, version: int | None, label: str | None
    ) -> None:
        if version is not None and label is not None:
            raise ConfigError(
                f"Both version {version} and label `{label}` are given.",
                where=f"client of `{model}`",
                fix="give one of them",
            )
        self.where = f"{address}, model `{model}`"
        self.signatures: Mapping[str, SignatureDef] | None = None
        self._lock = threading.Lock()
        self._spec = ModelSpec(name=model)
        if version is not None:
            self._spec.version.value = version
        if label is not None:
            self._spec.version_label = label

    def metadata_request(self) -> GetModelMetadataRequest:
        """Asks for the signatures."""
        return GetModelMetadataRequest(
            model_spec=self._spec, metadata_field=["signature_def"]
        )

    def read_metadata(
        self, response: GetModelMetadataResponse
    ) -> Mapping[str, SignatureDef]:
        """Keeps the signatures, and returns them."""
        found = SignatureDefMap()
        response.metadata["signature_def"].Unpack(found)
        signatures = dict(found.signature_def)
        with self._lock:
            self.signatures = signatures
        return signatures

    def forget(self) -> None:
        """Drops the signatures: the model may have another version."""
        with self._lock:
            self.signatures = None

    def status_request(self) -> GetModelStatusRequest:
        """Asks for the states of the versions."""
        return GetModelStatusRequest(model_spec=self._spec)

    def read_status(self, response: GetModelStatusResponse) -> list[ModelVersionStatus]:
        """The states, the oldest version first."""
        return sorted(response.model_version_status, key=lambda state: state.version)

    def predict_request(
        self,
        signature: str,
        columns: Columns,
        signatures: Mapping[str, SignatureDef],
        outputs: Collection[str] = (),
    ) -> PredictRequest:
        """Asks for the answer to rows; columns that nothing reads stay behind.

        Raises:
            DataError: a column is absent, or not what the signature takes.
        """
        takes = self._signature(signature, signatures).inputs
        given = named(columns)
        tensors = {name: self._dense(name, given, takes) for name in takes}
        self._check_rows(tensors)
        return self._request(signature, tensors, outputs)

    def rank_request(
        self,
        user: Columns,
        candidates: Columns,
        signatures: Mapping[str, SignatureDef],
        outputs: Collection[str] = (),
    ) -> PredictRequest:
        """Asks for the scores of candidates; the signature says whose a column is.

        Raises:
            DataError: a column is absent, or not what the signature takes, or there is
                more than one user.
        """
        takes = self._signature("rank", signatures).inputs
        one, many = named(user), named(candidates)
        tensors = {}
        for name, info in takes.items():
            if info.tensor_shape.dim[0].size != 1:
                tensors[name] = self._dense(name, many, takes, "candidates")
        self._check_rows(tensors)
        for name, info in takes.items():
            if name not in tensors:
                rank = len(info.tensor_shape.dim)
                row = {name: _as_rows(one[name], rank)} if name in one else {}
                tensors[name] = self._dense(name, row, takes, "user")
                if len(tensors[name]) != 1:
                    raise DataError(
                        f"There must be one row of the user. Received: "
                        f"{len(tensors[name])}.",
                        where=f"{self.where}, column `{name}`",
                        fix="rank for one user at a time",
                    )
        return self._request("rank", tensors, outputs)

    def answer(self, response: PredictResponse) -> Scores:
        """What the model says; texts are `str`, and bytes that are none survive."""
        outputs = response.outputs.items()
        found = {name: _as_text(tf.make_ndarray(x)) for name, x in outputs}
        return next(iter(found.values())) if len(found) == 1 else found

    def _signature(
        self, name: str, signatures: Mapping[str, SignatureDef]
    ) -> SignatureDef:
        if name not in signatures:
            raise DataError(
                f"The model has no signature `{name}`."
                f"{did_you_mean(name, signatures)} It has: {sorted(signatures)}.",
                where=self.where,
                fix="name one that it has",
            )
        return signatures[name]

    def _dense(
        self,
        name: str,
        given: Mapping[str, Any],
        takes: Mapping[str, Any],
        whose: str = "rows",
    ) -> Array:
        if name not in given:
            raise DataError(
                f"The {whose} lack the column `{name}`."
                f"{did_you_mean(name, set(given) - set(takes))}",
                where=self.where,
                fix="give the column; None in it stands for a missing value",
            )
        return dense(name, given[name], takes[name])

    def _check_rows(self, tensors: Mapping[str, Array]) -> None:
        rows = {name: len(x) for name, x in tensors.items() if x.ndim}
        if len(set(rows.values())) > 1:
            raise DataError(
                f"All columns must have as many rows. Received: {rows}.",
                where=self.where,
                fix="give one value, or one list, a row in every column",
            )

    def _request(
        self, signature: str, tensors: Mapping[str, Array], outputs: Collection[str]
    ) -> PredictRequest:
        request = PredictRequest(model_spec=self._spec, output_filter=outputs)
        request.model_spec.signature_name = signature
        for name, tensor in tensors.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(tensor))
        return request


def _as_rows(value: Any, rank: int) -> Any:
    """The user's value, or list, as a column of one row, where it is not one yet."""
    if not _is_list(value):
        return [value.item() if isinstance(value, np.ndarray) else value]
    if rank == 1:
        return value
    return value if _is_list(next(iter(value), None)) else [value]


def _is_list(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return bool(value.ndim)
    return hasattr(value, "__len__") and not isinstance(value, str | bytes)


def _as_text(array: Array) -> Array:
    if array.dtype != object:
        return array
    texts = np.empty(array.size, object)
    texts[:] = [x.decode("utf-8", "surrogateescape") for x in array.reshape(-1)]
    return texts.reshape(array.shape)
