"""One embedding table for every input of one width."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.spec import PADDING_ID


@keras.saving.register_keras_serializable(package="clickwright")
class FusedEmbedding(keras.layers.Layer):
    """Looks all inputs up in one table, by one gather, and pools those with many ids.

    The tables of the inputs lie one after the other in a single variable of `V` rows;
    inputs that name the same table share its rows. Of an input `f`:

    * `id`: the row of its id. Id 0 (missing) has a row like any other.
    * `value`: a row of its own, times the value.
    * `id_set`, `sequence`: the mean (or sum) of the rows of its ids; id 0 is padding
      and counts for nothing, so a row without ids gives zeros.

    Gathers and pooling run in float32 whatever the compute dtype.

    Args:
        inputs: the inputs, in the order of the output's fields.
        width: values a row, `D`.
        pooling: `mean` or `sum` of the rows of `id_set` and `sequence` inputs.
        embeddings_initializer: initializer of the table.
        embeddings_regularizer: regularizer of the whole table, padding rows included.

    Input shape:
        Dict of `[batch]` (`id`, `value`) and `[batch, length]` tensors, by name.

    Output shape:
        `[batch, F, width]`, one field an input.

    Example:

    >>> user = ModelInput("user", "id", "user", table="user", rows=3)
    >>> layer = FusedEmbedding([user], width=4)
    >>> tuple(layer({"user": np.array([1, 2])}).shape)
    (2, 1, 4)

    Raises:
        ValueError: no inputs, or two inputs that disagree on the rows of a table.
    """

    def __init__(
        self,
        inputs: Sequence[ModelInput | Mapping[str, Any]],
        width: int,
        pooling: Literal["mean", "sum"] = "mean",
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        # Without autocast numeric values keep float32 until they met their row.
        super().__init__(autocast=False, **kwargs)
        self.inputs = tuple(
            i if isinstance(i, ModelInput) else ModelInput(**i) for i in inputs
        )
        if not self.inputs:
            raise ValueError("`inputs` must name at least one input. Received: none.")
        if pooling not in ("mean", "sum"):
            raise ValueError(f"`pooling` must be `mean` or `sum`. Received: {pooling}")
        self.width = width
        self.pooling = pooling
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.embeddings_regularizer = keras.regularizers.get(embeddings_regularizer)
        self.row_ranges = _row_ranges(self.inputs)
        """First row and the row past the last one of each input, by name."""
        self.rows = max(stop for _, stop in self.row_ranges.values())
        self._offsets = np.concatenate(
            [
                np.full(i.length or 1, self.row_ranges[i.name][0], np.int32)
                for i in self.inputs
                if i.kind != "value"
            ]
            or [np.zeros(0, np.int32)]
        )

    def build(self, input_shape: Any) -> None:
        """Makes the table, `[V, width]`."""
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.rows, self.width),
            initializer=self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            autocast=False,  # a cast would copy the table at every step
        )

    def call(self, inputs: Mapping[str, Any]) -> Any:
        """Looks up, pools, and lays the fields in the order of `self.inputs`."""
        id_inputs = [i for i in self.inputs if i.kind != "value"]
        if id_inputs:
            ids = ops.concatenate(
                [
                    ops.reshape(ops.cast(inputs[i.name], "int32"), (-1, i.length or 1))
                    for i in id_inputs
                ],
                axis=1,
            )  # [B, T]
            rows = ops.take(self.embeddings, ids + self._offsets, axis=0)  # [B, T, D]
        fields = []
        position = 0
        for pooled, run in itertools.groupby(self.inputs, key=_run_key):
            members = list(run)
            if members[0].kind == "value":
                fields.append(self._scaled(members, inputs))  # [B, n, D]
                continue
            stop = position + sum(i.length or 1 for i in members)
            field = rows[:, position:stop]
            if pooled is not None:
                field = self._pooled(ids[:, position:stop], field)  # [B, 1, D]
            fields.append(field)
            position = stop
        output = fields[0] if len(fields) == 1 else ops.concatenate(fields, axis=1)
        return ops.cast(output, self.compute_dtype)  # [B, F, D]

    def _scaled(self, members: Sequence[ModelInput], inputs: Mapping[str, Any]) -> Any:
        # A gather, not a slice: its gradient touches these rows alone.
        own = np.array([self.row_ranges[i.name][0] for i in members], np.int32)
        rows = ops.take(self.embeddings, own, axis=0)  # [n, D]
        values = ops.stack(
            [ops.cast(inputs[i.name], self.variable_dtype) for i in members], axis=1
        )  # [B, n]
        return ops.expand_dims(values, -1) * rows

    def _pooled(self, ids: Any, rows: Any) -> Any:
        mask = ops.cast(ops.not_equal(ids, PADDING_ID), rows.dtype)  # [B, L]
        total = ops.sum(
            rows * ops.expand_dims(mask, -1), axis=1, keepdims=True
        )  # [B, 1, D]
        if self.pooling == "sum":
            return total
        count = ops.sum(mask, axis=1, keepdims=True)  # [B, 1]
        return total / ops.expand_dims(ops.maximum(count, 1.0), -1)

    def compute_output_shape(
        self, input_shape: Mapping[str, Any]
    ) -> tuple[int | None, ...]:
        """`[batch, F, width]`."""
        batch = input_shape[self.inputs[0].name][0]
        return (batch, len(self.inputs), self.width)

    def get_config(self) -> dict[str, Any]:
        """All arguments; inputs as plain dicts."""
        return {
            **super().get_config(),
            "inputs": [dataclasses.asdict(i) for i in self.inputs],
            "width": self.width,
            "pooling": self.pooling,
            "embeddings_initializer": keras.initializers.serialize(
                self.embeddings_initializer
            ),
            "embeddings_regularizer": keras.regularizers.serialize(
                self.embeddings_regularizer
            ),
        }


def _run_key(model_input: ModelInput) -> str | None:
    """Equal for neighbours that one slice serves; pooled inputs stand alone."""
    match model_input.kind:
        case "id":
            return None
        case "value":
            return "\0value"
        case _:
            return model_input.name


def _row_ranges(inputs: Sequence[ModelInput]) -> dict[str, tuple[int, int]]:
    tables: dict[str, tuple[int, int]] = {}
    ranges: dict[str, tuple[int, int]] = {}
    stop = 0
    for i in inputs:
        table = i.table or i.name
        rows = 1 if i.kind == "value" else i.rows
        if rows is None:
            raise ValueError(f"`{i.name}` ({i.kind}) must state the `rows` of a table.")
        if table not in tables:
            tables[table] = (stop, stop + rows)
            stop += rows
        start, end = tables[table]
        if end - start != rows:
            raise ValueError(
                f"Inputs of the table `{table}` must agree on its rows. Received: "
                f"{end - start} and, from `{i.name}`, {rows}."
            )
        ranges[i.name] = (start, end)
    return ranges
