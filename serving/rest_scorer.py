"""Answers from a model server over REST."""

import base64
import binascii
import http.client
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from clickwright.serving.scorer import Array, ScoringError


class RestScorer:
    """Sends requests in the column format to `/v1/models/<model>:predict`.

    Args:
        address: `host:port`.
        model: name of the model there.
        timeout: deadline of a request, in seconds.
    """

    def __init__(self, address: str, model: str, timeout: float = 60.0) -> None:
        self._address = address
        self._path = f"/v1/models/{model}:predict"
        self._timeout = timeout

    def __call__(self, request: PredictRequest) -> Mapping[str, Array]:
        """Answers one request; see `Scorer`.

        JSON has neither types nor sizes of numbers: integers are int64 here, floats
        are float64, and text that is not marked as base64 is UTF-8.
        """
        body = {
            "signature_name": request.model_spec.signature_name or "serving_default",
            "inputs": {k: _to_json(t) for k, t in request.inputs.items()},
        }
        status, text = self._post(json.dumps(body))
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise ScoringError(f"HTTP {status}, no JSON: {text[:200]!r}") from error
        if status != http.client.OK:
            raise ScoringError(f"HTTP {status}: {answer.get('error', text[:200])}")
        try:
            outputs = answer["outputs"]
            # A single output stands there without its name.
            named = outputs if isinstance(outputs, dict) else {"": outputs}
            if "b64" in named:
                named = {"": named}
            return {key: _from_json(value) for key, value in named.items()}
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise ScoringError(f"not an answer of TF Serving: {error!r}") from error

    def _post(self, body: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self._address, timeout=self._timeout)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", self._path, body.encode(), headers)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except (OSError, http.client.HTTPException, UnicodeDecodeError) as error:
            raise ScoringError(f"no answer: {error!r}") from error
        finally:
            connection.close()


def _to_json(tensor: Any) -> Any:
    def marked(value: Any) -> Any:
        if isinstance(value, list):
            return [marked(v) for v in value]
        if isinstance(value, bytes):
            return {"b64": base64.b64encode(value).decode()}
        return value

    return marked(tf.make_ndarray(tensor).tolist())


def _from_json(value: Any) -> Array:
    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(v) for v in value]
        if isinstance(value, dict):
            return base64.b64decode(value["b64"], validate=True)
        return value.encode() if isinstance(value, str) else value

    found = np.array(plain(value))
    return found.astype(object) if found.dtype.kind == "S" else found
