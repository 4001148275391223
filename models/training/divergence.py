"""Where a training stopped being finite."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from clickwright.models.losses.loss import Loss
from clickwright.models.training.checkpoint import Checkpoint
from clickwright.models.training.examples import Batch
from clickwright.models.training.fit_params import FitParams
from clickwright.models.training.step_parts import step_parts
from clickwright.schemas.model_input import ModelInput


def infinite_column(model: keras.Model, batch: Batch) -> str | None:
    """Name of the first input, or `sample_weight`, with infinite values or NaN.

    Where an encoder of the model embeds missing values, NaN is one.
    """
    missing = {
        i.name
        for layer in model.layers
        for i in getattr(layer, "inputs", ())
        if isinstance(i, ModelInput) and i.may_be_missing
    }
    columns = {**batch.features, "sample_weight": batch.weights}
    return next(
        (n for n, values in columns.items() if not _finite(values, n in missing)), None
    )


def infinite_part(model: keras.Model, loss: Loss, batch: Batch) -> str | None:
    """Runs a training step part by part and describes the first one that fails.

    Args:
        model: gives the logits.
        loss: of labels, logits and weights.
        batch: the batch whose loss is not finite.

    Returns:
        The weights, layer, loss or gradient with infinite values or NaN, as the
        subject of a sentence; None where everything is finite.
    """
    # Running statistics come last: the batch itself may have spoilt them.
    if (weights := _broken(model.trainable_variables)) is not None:
        return weights
    steps = [
        op for op in model.operations if not isinstance(op, keras.layers.InputLayer)
    ]
    outputs = keras.Model(model.input, [op.output for op in steps])
    for op, values in zip(steps, outputs(batch.features, training=True), strict=True):
        if not all(_finite(part) for part in tf.nest.flatten(values)):
            return f"the output of the layer `{op.name}`"
    value, penalties, gradients = step_parts(model, loss, batch, training=True)
    if not _finite(value):
        return "the loss of finite logits"
    if not all(_finite(penalty) for penalty in penalties):
        return "a penalty on the weights"
    for v, gradient in zip(model.trainable_variables, gradients, strict=True):
        if gradient is not None and not _finite(gradient):
            return f"the gradient of `{v.path}`"
    return _broken(model.non_trainable_variables)


def mended_by(params: FitParams, checkpoint: Checkpoint | None) -> str:
    """What to do about a loss that is not finite any more."""
    fix = "lower `learning_rate` or `global_clipnorm`"
    if params.precision != "float32":
        fix += ", or set `precision: float32`"
    if checkpoint is not None and checkpoint.file.exists():
        fix += (
            ". Changed parameters start anew; the same ones go on from the last good "
            f"state, which stays in {checkpoint.directory}"
        )
    return fix


def _broken(variables: Sequence[Any]) -> str | None:
    broken = [v.path for v in variables if not _finite(v.value)]
    if not broken:
        return None
    others = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
    return f"the weights `{broken[0]}`{others}"


def _finite(values: Any, or_missing: bool = False) -> bool:
    tensor = tf.convert_to_tensor(values)
    if not tensor.dtype.is_floating:
        return True
    fine = tf.math.is_finite(tensor)
    if or_missing:
        fine |= tf.math.is_nan(tensor)
    return bool(tf.reduce_all(fine))
