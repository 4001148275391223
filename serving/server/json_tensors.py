"""JSON of the REST API, from and to tensors and protos.

References:
    json_tensor.cc of TensorFlow Serving's `util`, whose rules and messages these are.
"""

import base64
import binascii
import itertools
import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import grpc
import numpy as np
from tensorflow.core.example import example_pb2, feature_pb2
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import classification_pb2, input_pb2, regression_pb2

from clickwright.serving.server.serving_error import ServingError
from clickwright.serving.server.tensors import dtype_of

Inputs = Mapping[str, meta_graph_pb2.TensorInfo]

_BYTES_SUFFIX = "_bytes"
"""Ends the name of an output whose strings are bytes, not text."""
_SHOWN = 256
"""Characters of a JSON value in a message."""
_JSON_TYPES = {
    type(None): "Null",
    dict: "Object",
    list: "Array",
    str: "String",
    int: "Number",
    float: "Number",
}


def parse(body: bytes) -> dict[str, Any]:
    """Returns the object that a request's body holds.

    Raises:
        ServingError: INVALID_ARGUMENT if it is no JSON, or no object.
    """
    if not body:
        raise _invalid("JSON Parse error: The document is empty.")
    try:
        text = body.decode("utf-8-sig").lstrip()
        # What follows the object is not looked at.
        found, _ = json.JSONDecoder().raw_decode(text)
    except UnicodeDecodeError as error:
        raise _invalid(
            f"JSON Parse error: Invalid encoding in string. at offset: {error.start}"
        ) from error
    except json.JSONDecodeError as error:
        raise _invalid(
            f"JSON Parse error: {error.msg} at offset: {error.pos}"
        ) from error
    except (RecursionError, ValueError) as error:  # a number of too many digits
        raise _invalid(f"JSON Parse error: {error}") from error
    if not isinstance(found, dict):
        raise _invalid(f"JSON Value: {_shown(found)} Is not object")
    return found


def signature_of(request: Mapping[str, Any]) -> str:
    """Returns the request's `signature_name`, empty where there is none."""
    name = request.get("signature_name", "")
    if not isinstance(name, str):
        raise _invalid(
            f"JSON Value: {_shown(request)} not formatted correctly. 'signature_name' "
            "key must be a string value."
        )
    return name


def tensors(request: Mapping[str, Any], inputs: Inputs) -> dict[str, np.ndarray]:
    """The tensors of a predict request, by row (`instances`) or column (`inputs`).

    Args:
        request: the parsed body.
        inputs: those of the signature.

    Raises:
        ServingError: INVALID_ARGUMENT if they do not fit the signature.
    """
    rows, columns = "instances" in request, "inputs" in request
    if rows and columns:
        raise _invalid(
            f"JSON Value: {_shown(request)} Not formatted correctly expecting only one "
            "of 'inputs' or 'instances' keys to exist "
        )
    if columns:
        return _from_columns(request["inputs"], inputs)
    if not rows:
        raise _invalid("Missing 'inputs' or 'instances' key")
    instances = request["instances"]
    if not isinstance(instances, list):
        raise _invalid(
            f"JSON Value: {_shown(request)} Expecting 'instances' to be an list/array"
        )
    if not instances:
        raise _invalid(f"JSON Value: {_shown(request)} No values in 'instances' array")
    return _from_rows(instances, inputs)


def by_row(answer: Mapping[str, np.ndarray]) -> str:
    """The answer to `instances`: one value a row, an object where outputs are several.

    Raises:
        ServingError: INVALID_ARGUMENT if an output has no rows, or another number.
    """
    count = -1
    columns: dict[str, list[str]] = {}
    for name, array in sorted(answer.items()):
        if array.ndim == 0:
            raise _invalid(f"Tensor name: {name} has no shape information ")
        if count not in (-1, len(array)):
            raise _invalid(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} "
                f"expecting: {count}"
            )
        count = len(array)
        columns[name] = _nested(_texts(name, array), array.shape[1:], count)
    if not columns:
        raise _invalid("Cannot convert empty tensor map to JSON")
    if len(columns) == 1:
        (rows,) = columns.values()
    else:
        keys = [json.dumps(name) + ": " for name in columns]
        rows = [
            "{" + ", ".join(map("".join, zip(keys, row, strict=True))) + "}"
            for row in zip(*columns.values(), strict=True)
        ]
    return '{"predictions": [' + ", ".join(rows) + "]}\n"


def by_column(answer: Mapping[str, np.ndarray]) -> str:
    """The answer to `inputs`: a tensor, or an object of them.

    Raises:
        ServingError: INVALID_ARGUMENT if there is no output.
    """
    columns = {
        name: _nested(_texts(name, array), array.shape, 1)[0]
        for name, array in sorted(answer.items())
    }
    if not columns:
        raise _invalid("Cannot convert empty tensor map to JSON")
    if len(columns) == 1:
        (text,) = columns.values()
    else:
        pairs = (f"{json.dumps(name)}: {text}" for name, text in columns.items())
        text = "{" + ", ".join(pairs) + "}"
    return '{"outputs": ' + text + "}\n"


def example_input(request: Mapping[str, Any]) -> input_pb2.Input:
    """The Examples of a classify or regress request, with their context.

    Raises:
        ServingError: INVALID_ARGUMENT if there are none, or one is malformed.
    """
    found = input_pb2.Input()
    to = found.example_list.examples
    if "context" in request:
        context = found.example_list_with_context.context
        _fill_example(request["context"], context)
        # The list of a `oneof`: the plain one is gone.
        to = found.example_list_with_context.examples
    if "examples" not in request:
        raise _invalid(
            f"JSON Value: {_shown(request)} When method is classify, key 'examples' is "
            "expected and was not found"
        )
    rows = request["examples"]
    if not isinstance(rows, list):
        raise _invalid(
            f"JSON Value: {_shown(request)} Expecting 'examples' value to be an "
            "list/array"
        )
    if not rows:
        raise _invalid(
            f"JSON Value: {_shown(request)} 'examples' value is an empty array"
        )
    for row in rows:
        _fill_example(row, to.add())
    return found


def classification_json(result: classification_pb2.ClassificationResult) -> str:
    """A list of `[label, score]` for each Example."""
    rows = (
        ", ".join(
            f"[{json.dumps(one.label)}, {_decimal(one.score, np.float32, 9)}]"
            for one in row.classes
        )
        for row in result.classifications
    )
    return '{"results": [' + ", ".join(f"[{row}]" for row in rows) + "]}\n"


def regression_json(result: regression_pb2.RegressionResult) -> str:
    """A value for each Example."""
    values = (_decimal(one.value, np.float32, 9) for one in result.regressions)
    return '{"results": [' + ", ".join(values) + "]}\n"


# Requests.


def _from_columns(given: Any, inputs: Inputs) -> dict[str, np.ndarray]:
    if not isinstance(given, dict) or _is_base64(given):
        if len(inputs) > 1:
            raise _invalid(
                "inputs is a plain value/list, but expecting an object as multiple "
                "input tensors required as per tensorinfo_map"
            )
        ((name, info),) = inputs.items()
        return {name: _tensor(given, info.dtype)}
    found = {}
    for name, info in sorted(inputs.items()):
        if name not in given:
            raise _invalid(f"Missing named input: {name} in 'inputs' object.")
        found[name] = _tensor(given[name], info.dtype)
    return found


def _from_rows(instances: list[Any], inputs: Inputs) -> dict[str, np.ndarray]:
    if not isinstance(instances[0], dict) and len(inputs) > 1:
        raise _invalid(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    as_objects = _is_object(instances[0])
    for item, instance in enumerate(instances):
        if _is_object(instance) != as_objects:
            wanted, got = ("object", "list") if as_objects else ("value/list", "object")
            raise _invalid(
                f"Expecting {wanted} but got {got} at item {item} of input list"
            )
    if not as_objects:
        ((name, info),) = inputs.items()
        return {name: _rows(instances, info.dtype, "")}
    for item, instance in enumerate(instances):
        if instance.keys() == inputs.keys():
            continue
        for key in instance:
            if key not in inputs:
                raise _invalid(
                    f"Failed to process element: {item} key: {key} of 'instances' "
                    "list. Error: INVALID_ARGUMENT: JSON object: does not have named "
                    f"input: {key}"
                )
        raise _invalid(
            f"Failed to process element: {item} of 'instances' list. JSON object: "
            f"{_shown(instance)} keys must be equal to: {','.join(sorted(inputs))}"
        )
    return {
        name: _rows([instance[name] for instance in instances], info.dtype, name)
        for name, info in sorted(inputs.items())
    }


def _rows(values: list[Any], dtype: int, name: str) -> np.ndarray:
    """A column of rows; an error says which row it is in."""
    try:
        # All of them as one tensor, which is quick and as a rule right.
        return _tensor(values, dtype)
    except ServingError as whole:
        key = f" key: {name}" if name else ""
        shape = None
        for item, value in enumerate(values):
            try:
                one = _tensor(value, dtype)
                if shape not in (None, one.shape):
                    raise _invalid(
                        f"Expecting shape {_brackets(shape)} but got: "
                        f"{_brackets(one.shape)}"
                    )
            except ServingError as error:
                raise _invalid(
                    f"Failed to process element: {item}{key} of 'instances' list. "
                    f"Error: INVALID_ARGUMENT: {error.message}"
                ) from whole
            shape = one.shape
        raise


def _tensor(value: Any, dtype: int) -> np.ndarray:
    """A scalar, or lists in lists of one size at each level."""
    shape = []
    inner = value
    while isinstance(inner, list):
        shape.append(len(inner))
        if not inner:
            break
        inner = inner[0]
    flat = [value]
    for level, size in enumerate(shape):
        for item in flat:
            if not isinstance(item, list):
                raise _invalid(
                    f"JSON Value: {_shown(item)} found at incorrect level: {level + 1} "
                    f"in the JSON DOM. Expected at level: {len(shape)}"
                )
            if len(item) != size:
                raise _invalid(
                    f"Encountered list at unexpected size: {len(item)} at level: "
                    f"{level} expected size: {size}"
                )
        flat = list(itertools.chain.from_iterable(flat))
    if any(isinstance(item, list) for item in flat):
        raise _invalid(
            f"Encountered list at unexpected level: {len(shape)} expected < "
            f"{len(shape)}"
        )
    if len(shape) > 64:  # numpy's limit
        raise _invalid(f"Tensors of rank {len(shape)} are not supported")
    return _values(flat, dtype).reshape(shape)


def _values(flat: list[Any], dtype: int) -> np.ndarray:
    """Leaves of the type that the input has."""
    target = dtype_of(dtype)
    name = types_pb2.DataType.Name(dtype).removeprefix("DT_").lower()
    if target is None or target.itemsize == 2 and target.kind != "i":
        shown = _shown(flat[0]) if flat else ""
        raise ServingError(
            grpc.StatusCode.UNIMPLEMENTED,
            f"Conversion of JSON Value: {shown} to type: {name}",
        )
    if target == object:
        texts = [_string(item, name) for item in flat]
        found = np.empty(len(texts), object)
        found[:] = texts
        return found
    kinds: dict[str, set[type]] = {"b": {bool}, "f": {int, float}}
    allowed = kinds.get(target.kind, {int})
    if not set(map(type, flat)) <= allowed:  # a bool is no number here
        wrong = next(item for item in flat if type(item) not in allowed)
        raise _wrong_type(wrong, name)
    if target.kind in "iu" and flat:
        # Small integers come in fields of 32 bits, as in a TensorProto.
        limits = np.iinfo(target if target.itemsize >= 4 else np.int32)
        for extreme in (min(flat), max(flat)):
            if not limits.min <= extreme <= limits.max:
                raise _wrong_type(extreme, name)
        if target.itemsize < 4:
            return np.array(flat, np.int32).astype(target)
    try:
        with np.errstate(over="ignore"):  # beyond float32 is infinite
            return np.array(flat, np.float64 if target.kind == "f" else target).astype(
                target, copy=False
            )
    except OverflowError as error:  # an integer beyond float64
        raise _wrong_type(max(flat, key=abs), name) from error


def _string(item: Any, name: str) -> bytes:
    if isinstance(item, str):
        return item.encode("utf-8", errors="surrogatepass")
    if isinstance(item, dict):
        if not _is_base64(item):
            raise _invalid(
                f"JSON Value: {_shown(item)} not formatted correctly for base64 data"
            )
        return _from_base64(item)
    raise _wrong_type(item, name)


def _from_base64(item: Mapping[str, str]) -> bytes:
    text = item["b64"]
    try:
        # Padding may be left out.
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid("Unable to base64 decode") from error


def _fill_example(given: Any, example: example_pb2.Example) -> None:
    if not isinstance(given, dict):
        raise _invalid(f"Example must be JSON object but got JSON {_type_name(given)}")
    for name, content in given.items():
        feature = example.features.feature[name]
        for value in content if isinstance(content, list) else [content]:
            _add_value(value, name, feature)


def _add_value(value: Any, name: str, feature: feature_pb2.Feature) -> None:
    if isinstance(value, bool):
        kind, value = "int64_list", int(value)
    elif isinstance(value, int):
        kind = "int64_list"
        if not -(2**63) <= value < 2**63:
            raise _invalid(
                f"Feature: {name} has uint64_t element. Only int64_t is supported."
            )
    elif isinstance(value, float):
        kind = "float_list"
    elif isinstance(value, str):
        kind, value = "bytes_list", value.encode("utf-8", errors="surrogatepass")
    elif _is_base64(value):
        kind, value = "bytes_list", _from_base64(value)
    else:
        raise _invalid(
            f"Feature: {name} has element with unexpected JSON type: "
            f"{_type_name(value)}"
        )
    present = feature.WhichOneof("kind")
    if present not in (None, kind):
        raise _invalid(
            f"Unexpected element type in feature: {name} expecting type: "
            f"{present.removesuffix('_list')}"
        )
    getattr(feature, kind).value.append(value)


def _is_base64(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len(value) == 1
        and isinstance(value.get("b64"), str)
    )


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and not _is_base64(value)


# Answers.


def _texts(name: str, array: np.ndarray) -> list[str]:
    """JSON of each value."""
    flat = array.ravel()
    if array.dtype.kind == "f" and array.dtype.itemsize >= 4:
        digits = 9 if array.dtype == np.float32 else 17
        scalar = array.dtype.type
        return [_decimal(x, scalar, digits) for x in flat.tolist()]
    if array.dtype.kind in "biu":
        return [json.dumps(x) for x in flat.tolist()]
    if array.dtype.kind in "OSU":
        return [_text(x, name.endswith(_BYTES_SUFFIX)) for x in flat.tolist()]
    raise _invalid(f"Failed to write JSON value for tensor type: {array.dtype}")


def _text(value: bytes | str, as_bytes: bool) -> str:
    raw = value.encode() if isinstance(value, str) else value
    if as_bytes:
        return '{"b64": "' + base64.b64encode(raw).decode() + '"}'
    return json.dumps(raw.decode(errors="replace"), ensure_ascii=False)


def _decimal(value: float, scalar: Callable[[float], Any], digits: int) -> str:
    """The shortest of two ways to write a number that reads back as it is."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    text = f"{value:g}"
    if scalar(float(text)) != value:
        text = f"{value:.{digits}g}"
    return text if "." in text or "e" in text else text + ".0"


def _nested(texts: list[str], shape: Iterable[int], count: int) -> list[str]:
    """The values as `count` JSON tensors of one shape."""
    for size in reversed(tuple(shape)):
        groups = len(texts) // size if size else 0
        if not size:
            # No value at all: each tensor shows the lists that it still has.
            return [json.dumps(np.empty(tuple(shape)).tolist())] * count
        texts = [
            "[" + ", ".join(texts[i * size : (i + 1) * size]) + "]"
            for i in range(groups)
        ]
    return texts


# Messages.


def _shown(value: Any) -> str:
    """The beginning of the value, without writing all of it."""
    pieces = json.JSONEncoder().iterencode(value)
    try:
        return "".join(itertools.islice(pieces, _SHOWN))[:_SHOWN]
    except RecursionError:  # lists in lists without end
        return f"<{_type_name(value)}>"


def _type_name(value: Any) -> str:
    if isinstance(value, bool):
        return "True" if value else "False"
    return _JSON_TYPES[type(value)]


def _brackets(shape: tuple[int, ...]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def _wrong_type(value: Any, name: str) -> ServingError:
    return _invalid(
        f"JSON Value: {_shown(value)} Type: {_type_name(value)} is not of expected "
        f"type: {name}"
    )


def _invalid(message: str) -> ServingError:
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)
