"""Towers of a trained model without their batch normalization."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from clickwright.models.layers.batch_norm import BatchNorm
from clickwright.models.layers.mlp import MLP


def fold_norms(model: keras.Model) -> keras.Model:
    """Returns a model that scores as the trained one does, with fewer operations.

    In scoring, batch normalization is `x * s + t` a unit, with `s = gamma /
    sqrt(variance + epsilon)` and `t = beta - mean * s`; after a dense layer `x = K z +
    b` it is the dense layer `(K s) z + (b s + t)`. Towers get such layers, computed in
    float64 and rounded once; all others are those of `model`.

    Args:
        model: a functional model; towers inside other layers stay as they are.
    """
    folded: dict[int, MLP] = {}

    def replayed(layer: Callable[..., Any]) -> Callable[..., Any]:
        if not (isinstance(layer, MLP) and layer.batch_norm):
            return layer
        if id(layer) not in folded:
            folded[id(layer)] = _folded(layer)
        return folded[id(layer)]

    outputs = model._run_through_graph(model.inputs, operation_fn=replayed)
    return keras.Model(model.input, outputs, name=model.name)


def _folded(tower: MLP) -> MLP:
    plain = MLP(
        tower.units,
        tower.activation,
        batch_norm=False,
        dtype=tower.dtype_policy,
        name=tower.name,
    )
    kernels = [x for x in tower.steps if isinstance(x, keras.layers.Dense)]
    norms = [x for x in tower.steps if isinstance(x, BatchNorm)]
    plain.build((None, kernels[0].kernel.shape[0]))
    steps = [x for x in plain.steps if isinstance(x, keras.layers.Dense)]
    for step, dense, norm in zip(steps, kernels, norms, strict=True):
        gamma, beta, mean, variance = (
            np.asarray(keras.ops.convert_to_numpy(x), np.float64)
            for x in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
        )
        scale = gamma / np.sqrt(variance + norm.epsilon)
        kernel, bias = (np.asarray(x, np.float64) for x in dense.get_weights())
        step.set_weights([kernel * scale, (bias - mean) * scale + beta])
    return plain
