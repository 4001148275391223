"""Embeddings of numbers from a table, with linear interpolation."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from clickwright.models.layers.gather_rows import gather_rows
from clickwright.models.layers.numeric.numeric_encoder import NumericEncoder

CELLS = 256
"""Equal cells that the range of a field is cut into."""


@keras.saving.register_keras_serializable(package="clickwright")
class TabulatedEncoder(NumericEncoder):
    """`e(x) = T[k] + t (T[k + 1] - T[k])`, where `x` lies the share `t` into interval k.

    The range of a field, `low` to `high`, is cut into `CELLS` equal cells, and each of
    these into equal intervals of a number of its own, so that rows lie close where an
    embedding bends and far apart elsewhere. The interval of a value is found by
    arithmetic, without a search: its cell first, then its place within. Values beyond
    the range count as its ends.

    The layer is for serving, in place of a trained encoder: `fill` gives it the
    table, and neither table nor intervals train. Float32 under any policy.

    Args:
        names: see `NumericEncoder`, as all arguments.

    Input shape:
        `[batch, F]`, NaN where a value is missing.

    Output shape:
        `[batch, F, width]`.

    Raises:
        ValueError: there are no fields, or encodings that do not belong together.
    """

    kind = "tabulated"
    per_field = frozenset({"low", "high", "intervals"})

    def build(self, input_shape: Any) -> None:
        """Makes the table of all fields, `[R, D]`, and the intervals of the cells.

        The rows of missing values come last.
        """
        fields = len(self.names)
        cells = fields * CELLS
        rows = sum(e.intervals + 1 for e in self.encodings)
        self._of_missing = rows + np.arange(fields, dtype=np.int32)  # [F]
        self.table = self.add_weight(
            name="table",
            shape=(rows + fields, self.width),
            initializer="zeros",
            trainable=False,
            autocast=False,
        )
        self.parts = self.add_weight(
            name="parts",
            shape=(cells,),
            initializer="ones",
            trainable=False,
            autocast=False,
        )
        self.starts = self.add_weight(
            name="starts",
            shape=(cells,),
            initializer="zeros",
            dtype="int32",
            trainable=False,
        )

    def fill(self, parts: Sequence[Any], rows: Sequence[Any], missing: Any) -> None:
        """Sets the table.

        Args:
            parts: intervals of each cell, `[CELLS]`, by field; they sum to the
                field's `intervals`.
            rows: embeddings at the ends of the intervals, `[intervals + 1, D]`, by
                field.
            missing: embeddings of missing values, `[F, D]`.

        Raises:
            ValueError: the numbers do not agree with the encodings.
        """
        wanted = [e.intervals for e in self.encodings]
        given = [int(np.sum(p)) for p in parts]
        if given != wanted or [len(r) - 1 for r in rows] != wanted:
            raise ValueError(
                f"`parts` and `rows` must be of {wanted} intervals. Received: {given} "
                f"and {[len(r) - 1 for r in rows]}"
            )
        first = np.cumsum([0, *(len(r) for r in rows[:-1])])
        starts = [
            start + np.cumsum(p) - p for start, p in zip(first, parts, strict=True)
        ]
        self.table.assign(np.concatenate([*rows, missing]))
        self.parts.assign(np.concatenate(parts))
        self.starts.assign(np.concatenate(starts))

    def call(self, values: Any, training: bool | None = None) -> Any:
        """Interpolates between two rows; of a missing value both are one."""
        x, missing = self.known(values)
        row, share = self._place(x)  # [B, F]
        before = ops.where(missing, self._of_missing, row)
        after = ops.where(missing, self._of_missing, row + 1)
        first = gather_rows(self.table, before)  # [B, F, D]
        step = gather_rows(self.table, after) - first
        encoded = first + ops.expand_dims(share, -1) * step
        return ops.cast(encoded, self.compute_dtype)

    def _place(self, x: Any) -> tuple[Any, Any]:
        """The row below each value, and the share of the way to the next."""
        low = np.array([e.low for e in self.encodings], np.float32)
        span = np.array([e.high - e.low for e in self.encodings])
        scale = (CELLS / span).astype(np.float32)
        place = ops.clip((x - low) * scale, 0.0, float(CELLS))
        # The end of the range belongs to the last cell, as that of a cell to its
        # last interval.
        cell = ops.minimum(ops.floor(place), CELLS - 1.0)
        at = ops.cast(cell, "int32") + np.arange(len(low), dtype=np.int32) * CELLS
        parts = gather_rows(self.parts, at)
        place = (place - cell) * parts
        interval = ops.minimum(ops.floor(place), parts - 1.0)
        row = gather_rows(self.starts, at) + ops.cast(interval, "int32")
        return row, place - interval
