"""The decision about a model, in words."""

import math
from collections.abc import Iterator

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import validation_result_pb2


def failures(validation: tfma.ValidationResult, split: str) -> tuple[str, ...]:
    """Says what TFMA's validation found, one sentence for each rule that is broken.

    Args:
        validation: the validation of one split; rules bind the overall metrics.
        split: its name.
    """
    return tuple(
        sentence
        for of_slice in validation.metric_validations_per_slice
        for failure in of_slice.failures
        for sentence in _sentences(failure, split)
    )


def _sentences(
    failure: validation_result_pb2.ValidationFailure, split: str
) -> Iterator[str]:
    name = f"{split} {failure.metric_key.name}"
    value = failure.metric_value.double_value.value
    bounds = failure.metric_threshold.value_threshold
    change = failure.metric_threshold.change_threshold
    if failure.message:
        yield f"{name}: {failure.message.strip()}"
    elif math.isnan(value):
        yield (
            f"{name} is not a number: it needs rows of both labels, and scores that "
            "are numbers"
        )
    elif failure.metric_threshold.HasField("change_threshold"):
        kind = "below" if value < 0 else "above"
        yield (
            f"{name} lies {abs(value):.6g} {kind} that of the blessed model; "
            f"{abs(change.absolute.value):.6g} is allowed"
        )
    elif bounds.HasField("lower_bound") and value < bounds.lower_bound.value:
        yield f"{name} {value:.6g} is below the floor {bounds.lower_bound.value:.6g}"
    else:
        yield f"{name} {value:.6g} is above the limit {bounds.upper_bound.value:.6g}"
