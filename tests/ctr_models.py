"""Inputs small and of Frappe's size, and what tests ask of models built on them."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from clickwright.models import registry
from clickwright.schemas.model_input import ModelInput

INPUTS = tuple(
    ModelInput(f"f{n}", "id", "user", f"f{n}", rows) for n, rows in enumerate((4, 3, 6))
)
FEATURES: Mapping[str, Any] = {
    "f0": np.array([0, 3, 2, 1]),
    "f1": np.array([2, 1, 1, 0]),
    "f2": np.array([5, 0, 3, 4]),
}
"""Four rows of `INPUTS`."""
FRAPPE_VALUES = (954, 4082, 7, 7, 2, 3, 2, 9, 80, 233)
"""Values that the training split of Frappe_x1 holds, by field; 5,379 in all."""
PUBLISHED = 1
"""Rows a field beside its values in FuxiCTR v1: unknown values share one."""
OURS = 2
"""Rows a field beside its values here: missing ones have row 0 besides."""


def frappe_inputs(more: int) -> list[ModelInput]:
    """One id a field, with `more` rows beside those of the values."""
    return [
        ModelInput(f"f{n}", "id", "user", f"f{n}", values + more)
        for n, values in enumerate(FRAPPE_VALUES)
    ]


def frappe_parameters(
    name: str, more: int, params: Mapping[str, Any] | None = None
) -> int:
    """Trainable parameters of a registered model on Frappe."""
    return trainable(registry.build(name, frappe_inputs(more), params))


def trainable(model: keras.Model) -> int:
    """Trainable parameters of a model."""
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def randomize(model: keras.Model | keras.layers.Layer) -> None:
    """Draws every trainable weight, so that no part of a model is near zero."""
    random = np.random.default_rng(1)
    for weight in model.trainable_variables:
        weight.assign(random.normal(0.0, 0.5, weight.shape))


def weights(layer: keras.layers.Layer) -> list[np.ndarray[Any, Any]]:
    """The layer's weights in double precision."""
    return [np.asarray(w, np.float64) for w in layer.get_weights()]


def logits(model: keras.Model) -> np.ndarray[Any, Any]:
    """The logits of `FEATURES`, `[4]`."""
    graph = keras.Model(model.input, model.get_layer("probability").input)
    return np.asarray(graph(FEATURES, training=False))[:, 0]


def values(model: keras.Model, layer: str) -> np.ndarray[Any, Any]:
    """What the layer of that name gives for `FEATURES`, in double precision."""
    graph = keras.Model(model.input, model.get_layer(layer).output)
    return np.asarray(graph(FEATURES, training=False), np.float64)
