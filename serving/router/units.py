"""The unit's id where a request carries it among its inputs."""

import base64
import binascii
from collections.abc import Iterable
from typing import Any

import grpc
import numpy as np

from clickwright.serving.router.headers import checked_unit
from clickwright.serving.server.serving_error import ServingError

_STRING = 7
_INTEGERS: dict[int, tuple[np.dtype[Any], str]] = {
    3: (np.dtype("<i4"), "int_val"),
    9: (np.dtype("<i8"), "int64_val"),
}
"""TensorFlow's numbers of the types that an id may have."""


def of_tensor(tensor: Any) -> str | None:
    """Returns the one id that a tensor holds in all its rows.

    Args:
        tensor: the router's `Tensor`.

    Raises:
        ServingError: the rows differ, or they are no ids.
    """
    if tensor.dtype == _STRING:
        return _one(tensor.string_val)
    if tensor.dtype in _INTEGERS:
        dtype, field = _INTEGERS[tensor.dtype]
        content = tensor.tensor_content
        if len(content) % dtype.itemsize:
            raise _invalid("The unit's tensor is cut off")
        if content:
            return _one(np.unique(np.frombuffer(content, dtype)).tolist())
        return _one(getattr(tensor, field))
    raise _invalid("The unit's id must be text or an integer")


def of_json(body: Any, name: str) -> str | None:
    """Returns the one id that the body of a REST request holds in all its rows.

    Args:
        body: with `instances` or `inputs`.
        name: of the input.

    Raises:
        ServingError: the rows differ, or they are no ids.
    """
    if not isinstance(body, dict):
        return None
    rows = body.get("instances")
    if isinstance(rows, list):
        return _one(row[name] for row in rows if isinstance(row, dict) and name in row)
    inputs = body.get("inputs")
    if not isinstance(inputs, dict) or name not in inputs:
        return None
    values = inputs[name]
    return _one(values if isinstance(values, list) else [values])


def _one(values: Iterable[Any]) -> str | None:
    found = {_text(value) for value in values}
    if len(found) > 1:
        raise _invalid("The request holds rows of more than one unit")
    return checked_unit(found.pop()) if found else None


def _text(value: Any) -> str:
    while isinstance(value, list) and len(value) == 1:
        (value,) = value
    if isinstance(value, dict) and set(value) == {"b64"}:
        try:
            value = base64.b64decode(value["b64"], validate=True)
        except (TypeError, ValueError, binascii.Error):
            raise _invalid("The unit's id is no base64") from None
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise _invalid("The unit's id is no UTF-8") from None
    if isinstance(value, str) or (isinstance(value, int) and value is not True):
        return str(value)
    raise _invalid("The unit's id must be text or an integer")


def _invalid(message: str) -> ServingError:
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)
