"""Histories with their padding behind the events."""

from collections.abc import Mapping
from typing import Any

import keras

from clickwright.models.layers.pack_history import pack_history


@keras.saving.register_keras_serializable(package="clickwright")
class RightPadding(keras.layers.Layer):
    """Moves the padding of every row behind its events, whose order stays.

    Recurrent layers need it so: what comes after the last event then changes nothing
    of the states before, and no mask is needed.

    Input shape:
        Dict of `mask`, `[batch, L]`, 1 at events and 0 at padding, and tensors
        `[batch, L, ...]`.

    Output shape:
        The same dict.
    """

    def call(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Moves the mask and all that goes along with it."""
        names = [name for name in inputs if name != "mask"]
        packed = pack_history(inputs["mask"], "right", *(inputs[n] for n in names))
        return dict(zip(("mask", *names), packed, strict=True))

    def compute_output_shape(
        self, input_shape: Mapping[str, tuple[int | None, ...]]
    ) -> dict[str, tuple[int | None, ...]]:
        """Those of the inputs."""
        return {name: tuple(shape) for name, shape in input_shape.items()}
