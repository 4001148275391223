"""Classification and regression: Examples in, classes or values out.

References:
    classifier.cc, regressor.cc and util.cc of TensorFlow Serving's
    `servables/tensorflow`, whose rules and messages these are.
"""

from collections.abc import Mapping

import grpc
import numpy as np
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import classification_pb2, input_pb2, regression_pb2

from clickwright.serving.server.serving_error import ServingError

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"
INPUTS = "inputs"
"""What a signature of either kind calls its serialized Examples."""
_CLASSES, _SCORES, _OUTPUTS = "classes", "scores", "outputs"


def serialized(given: input_pb2.Input) -> np.ndarray:
    """The request's Examples, serialized, `[examples]`.

    Features of a context go before those of every Example.

    Raises:
        ServingError: INVALID_ARGUMENT if there are none.
    """
    context = b""
    examples = given.example_list.examples
    if given.WhichOneof("kind") == "example_list_with_context":
        context = given.example_list_with_context.context.SerializeToString()
        examples = given.example_list_with_context.examples
    if not examples:
        raise _invalid("Input is empty.")
    # Protos written after one another are one proto that holds the fields of both.
    rows = [context + example.SerializeToString() for example in examples]
    return np.array(rows, dtype=object)


def check_classify(signature: meta_graph_pb2.SignatureDef) -> list[str]:
    """Returns the outputs that a classification needs.

    Raises:
        ServingError: INVALID_ARGUMENT if the signature does not classify.
    """
    if len(signature.inputs) != 1:
        raise _invalid("Expected one input Tensor.")
    if len(signature.outputs) not in (1, 2):
        raise _invalid(
            f"Expected one or two output Tensors, found {len(signature.outputs)}"
        )
    if INPUTS not in signature.inputs:
        raise _invalid(
            f"No classification inputs found in SignatureDef: {signature}".strip()
        )
    found = [name for name in (_CLASSES, _SCORES) if name in signature.outputs]
    if not found:
        raise _invalid(
            "Expected classification signature outputs to contain at least one of "
            f'"{_CLASSES}" or "{_SCORES}". Signature was: {signature}'.strip()
        )
    return found


def check_regress(signature: meta_graph_pb2.SignatureDef) -> list[str]:
    """Returns the output that a regression needs.

    Raises:
        ServingError: INVALID_ARGUMENT if the signature does not regress.
    """
    if len(signature.inputs) != 1:
        raise _invalid("Expected one input Tensor.")
    if len(signature.outputs) != 1:
        raise _invalid("Expected one output Tensor.")
    if INPUTS not in signature.inputs:
        raise _invalid(
            f"No regression inputs found in SignatureDef: {signature}".strip()
        )
    if _OUTPUTS not in signature.outputs:
        raise _invalid(
            f"No regression outputs found in SignatureDef: {signature}".strip()
        )
    return [_OUTPUTS]


def classification(
    answer: Mapping[str, np.ndarray], examples: int
) -> classification_pb2.ClassificationResult:
    """Classes and scores, `[examples, classes]` each, as the proto holds them.

    Raises:
        ServingError: INVALID_ARGUMENT if the model gave another type or shape.
    """
    classes, scores = answer.get(_CLASSES), answer.get(_SCORES)
    for name, tensor, kind in (
        (_CLASSES, classes, "DT_STRING"),
        (_SCORES, scores, "DT_FLOAT"),
    ):
        if tensor is None:
            continue
        if tensor.ndim != 2:
            raise _invalid(
                "Expected Tensor shape: [batch_size num_classes] but got "
                f"{list(tensor.shape)}"
            )
        right = np.dtype(object if kind == "DT_STRING" else np.float32)
        if tensor.dtype != right:
            raise _invalid(f"Expected {name} Tensor of {kind}. Got: {tensor.dtype}")
        if len(tensor) != examples:
            raise _invalid(
                f"Expected {name} output batch size of {examples}. Got: {len(tensor)}"
            )
    widths = [x.shape[1] for x in (classes, scores) if x is not None]
    width = widths[0]
    if any(other != width for other in widths):
        raise _invalid(
            "Tensors class and score should match in dim_size(1). Got "
            f"{widths[0]} vs. {widths[-1]}"
        )
    result = classification_pb2.ClassificationResult()
    for row in range(examples):
        found = result.classifications.add()
        for column in range(width):
            one = found.classes.add()
            if classes is not None:
                one.label = classes[row, column].decode(errors="replace")
            if scores is not None:
                one.score = scores[row, column]
    return result


def regression(
    answer: Mapping[str, np.ndarray], examples: int
) -> regression_pb2.RegressionResult:
    """Values, `[examples]` or `[examples, 1]`, as the proto holds them.

    Raises:
        ServingError: INVALID_ARGUMENT if the model gave another type or shape.
    """
    values = answer[_OUTPUTS]
    if not (values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1)):
        raise _invalid(
            "Expected output Tensor shape to be either [batch_size] or "
            f"[batch_size, 1] but got {list(values.shape)}"
        )
    if len(values) != examples:
        raise _invalid(
            "Input batch size did not match output batch size: "
            f"{examples} vs. {len(values)}"
        )
    if values.dtype != np.float32:
        raise _invalid(f"Expected output Tensor of DT_FLOAT.  Got: {values.dtype}")
    result = regression_pb2.RegressionResult()
    for value in values.ravel().tolist():
        result.regressions.add().value = value
    return result


def _invalid(message: str) -> ServingError:
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)
