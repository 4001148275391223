"""Symbolic inputs of a model."""

from collections.abc import Sequence
from typing import Any

import keras

from clickwright.schemas.model_input import ModelInput


def symbolic_inputs(inputs: Sequence[ModelInput]) -> dict[str, Any]:
    """Returns one `keras.Input` an input, by name.

    `[batch]` for `id` (int64) and `value` (float32); `[batch, length]`, int64, for
    `id_set` and `sequence`.
    """
    return {
        i.name: keras.Input(
            shape=() if i.length is None else (i.length,),
            dtype="float32" if i.kind == "value" else "int64",
            name=i.name,
        )
        for i in inputs
    }
