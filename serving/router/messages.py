"""The few fields of TensorFlow Serving's messages that a router reads.

The messages here have the field numbers of TensorFlow Serving's own and leave out the
rest, which protobuf keeps as the bytes that came. So a request is addressed anew
without a look at its tensors, and without TensorFlow, whose import its own messages
bring along.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tensorflow_serving.apis import model_pb2

_FILE = "clickwright/router.proto"
_PACKAGE = "clickwright.router"
_SPEC = "tensorflow.serving.ModelSpec"
_TYPES = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bool": _TYPES.TYPE_BOOL,
    "bytes": _TYPES.TYPE_BYTES,
    "double": _TYPES.TYPE_DOUBLE,
    "float": _TYPES.TYPE_FLOAT,
    "int32": _TYPES.TYPE_INT32,
    "int64": _TYPES.TYPE_INT64,
    "string": _TYPES.TYPE_STRING,
}
_MESSAGES: dict[str, dict[str, tuple[str, int]]] = {
    # PredictRequest, ClassificationRequest, RegressionRequest, InferenceTask,
    # GetModelMetadataRequest, GetModelStatusRequest
    "Request": {"model_spec": (_SPEC, 1)},
    "MultiInferenceRequest": {"tasks": ("repeated Request", 1)},
    "PredictInputs": {"inputs": ("map Tensor", 2)},
    "Dim": {"size": ("int64", 1)},
    "Shape": {"dim": ("repeated Dim", 2), "unknown_rank": ("bool", 3)},
    "Tensor": {
        "dtype": ("int32", 1),
        "tensor_shape": ("Shape", 2),
        "tensor_content": ("bytes", 4),
        "float_val": ("repeated float", 5),
        "double_val": ("repeated double", 6),
        "int_val": ("repeated int32", 7),
        "string_val": ("repeated bytes", 8),
        "int64_val": ("repeated int64", 10),
    },
    "PredictAnswer": {"outputs": ("map Tensor", 1), "model_spec": (_SPEC, 2)},
    "Value": {"value": ("float", 1)},
    "Regressions": {"regressions": ("repeated Value", 1)},
    "RegressAnswer": {"result": ("Regressions", 1), "model_spec": (_SPEC, 2)},
    "Classifications": {"classifications": ("repeated bytes", 1)},
    "ClassifyAnswer": {"result": ("Classifications", 1), "model_spec": (_SPEC, 2)},
    # InferenceResult, GetModelMetadataResponse
    "Answer": {"model_spec": (_SPEC, 1)},
    "MultiInferenceAnswer": {"results": ("repeated Answer", 1)},
}


def _described() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name=_FILE,
        package=_PACKAGE,
        syntax="proto3",
        dependency=[model_pb2.DESCRIPTOR.name],
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (kind, number) in fields.items():
            _add_field(message, field, kind, number)
    return file


def _add_field(
    message: descriptor_pb2.DescriptorProto, name: str, kind: str, number: int
) -> None:
    label, _, type_name = kind.rpartition(" ")
    if label == "map":
        # A map is a list of entries, which are messages of its own.
        entry = message.nested_type.add(name=f"{name.capitalize()}Entry")
        entry.options.map_entry = True
        _add_field(entry, "key", "string", 1)
        _add_field(entry, "value", type_name, 2)
        label, type_name = "repeated", f"{_PACKAGE}.{message.name}.{entry.name}"
    field = message.field.add(name=name, number=number)
    field.label = _TYPES.LABEL_REPEATED if label else _TYPES.LABEL_OPTIONAL
    if type_name in _SCALARS:
        field.type = _SCALARS[type_name]
    else:
        field.type = _TYPES.TYPE_MESSAGE
        dotted = type_name if "." in type_name else f"{_PACKAGE}.{type_name}"
        field.type_name = f".{dotted}"


_pool = descriptor_pool.Default()
_pool.AddSerializedFile(_described().SerializeToString())


def _message(name: str) -> Any:
    found = _pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")
    return message_factory.GetMessageClass(found)


Request = _message("Request")
MultiInferenceRequest = _message("MultiInferenceRequest")
PredictInputs = _message("PredictInputs")
PredictAnswer = _message("PredictAnswer")
RegressAnswer = _message("RegressAnswer")
ClassifyAnswer = _message("ClassifyAnswer")
Answer = _message("Answer")
MultiInferenceAnswer = _message("MultiInferenceAnswer")
