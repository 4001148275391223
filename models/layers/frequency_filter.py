"""Rows of their own for ids that training has seen often enough."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from clickwright.models.layers.gather_rows import gather_rows
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.spec import PADDING_ID


@keras.saving.register_keras_serializable(package="clickwright")
class FrequencyFilter(keras.layers.Layer):
    """Turns the ids of a table that training has seen seldom into one shared id.

    A training batch is counted first, each occurrence of an id by itself; then ids
    with fewer than `min_frequency` occurrences so far become `rows`, one past the
    last id of their table. Outside training the counts stand still. Id 0 (missing,
    padding) passes always. The counts are state, not weights: saved with the model,
    never trained. Inputs of one table are counted together.

    Args:
        inputs: the inputs; those without ids pass through untouched.
        min_frequency: occurrences from which on an id passes.

    Input shape:
        Dict of `[batch]`, `[batch, length]` and `[batch, width]` tensors, by name; of
        all inputs, or of some.

    Output shape:
        The same; ids as int32.

    Raises:
        ValueError: no input has ids, or `min_frequency` is below 1.
    """

    def __init__(
        self,
        inputs: Sequence[ModelInput | Mapping[str, Any]],
        min_frequency: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.inputs = tuple(ModelInput.of(i) for i in inputs)
        if min_frequency < 1:
            raise ValueError(
                f"`min_frequency` must be at least 1. Received: {min_frequency}"
            )
        self.min_frequency = min_frequency
        self._counted = [i for i in self.inputs if i.kind not in ("value", "vector")]
        if not self._counted:
            raise ValueError("`inputs` must hold an input with ids. Received: none.")
        sizes = {i.table or i.name: i.rows or 0 for i in self._counted}
        first = dict(
            zip(sizes, itertools.accumulate(sizes.values(), initial=0), strict=False)
        )
        self._first = {i.name: first[i.table or i.name] for i in self._counted}
        self._ids = sum(sizes.values())

    def build(self, input_shape: Any) -> None:
        """Makes the counts, one an id of every table."""
        self.counts = self.add_weight(
            name="counts",
            shape=(self._ids,),
            dtype="int32",
            initializer="zeros",
            trainable=False,
            aggregation="sum",
        )

    def call(
        self, inputs: Mapping[str, Any], training: bool | None = None
    ) -> dict[str, Any]:
        """Counts in training, then replaces."""
        counted = [i for i in self._counted if i.name in inputs]
        outputs = {
            i.name: inputs[i.name]
            for i in self.inputs
            if i.name in inputs and i not in self._counted
        }
        if not counted:
            return outputs
        lengths = [i.length or 1 for i in counted]
        first = np.repeat([self._first[i.name] for i in counted], lengths)
        shared = np.repeat([i.rows or 0 for i in counted], lengths)
        ids = ops.concatenate(
            [
                ops.reshape(ops.cast(inputs[i.name], "int32"), (-1, i.length or 1))
                for i in counted
            ],
            axis=1,
        )  # [B, T]
        places = ids + first.astype(np.int32)
        if training:
            self._count(ops.reshape(places, (-1,)))
        often = gather_rows(self.counts, places) >= self.min_frequency
        ids = ops.where(
            ops.logical_or(often, ops.equal(ids, PADDING_ID)),
            ids,
            shared.astype(np.int32),
        )
        position = 0
        for i in counted:
            if i.length is None:
                outputs[i.name] = ids[:, position]
            else:
                outputs[i.name] = ids[:, position : position + i.length]
            position += i.length or 1
        return outputs

    def _count(self, places: Any) -> None:
        ones = ops.ones_like(places)  # [B * T]
        at = ops.expand_dims(places, -1)
        value = self.counts.value
        if hasattr(value, "values"):
            # TensorFlow's replicas: each adds its own share to the counts of all.
            value.assign_add(ops.scatter(at, ones, (self._ids,)))
        elif hasattr(value, "scatter_nd_add"):
            # TensorFlow: touches these counts alone, whatever the size of the tables.
            value.scatter_nd_add(at, ones)
        else:
            self.counts.assign(ops.scatter_update(value, at, ones, reduction="add"))

    def compute_output_spec(
        self, inputs: Mapping[str, Any], training: bool | None = None
    ) -> dict[str, keras.KerasTensor]:
        """The shapes of the inputs; ids as int32."""
        return {
            i.name: keras.KerasTensor(
                inputs[i.name].shape,
                "int32" if i in self._counted else inputs[i.name].dtype,
            )
            for i in self.inputs
        }

    def get_config(self) -> dict[str, Any]:
        """All arguments; inputs as plain dicts."""
        return {
            **super().get_config(),
            "inputs": [i.to_dict() for i in self.inputs],
            "min_frequency": self.min_frequency,
        }
