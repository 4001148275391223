"""What the optimizers of tables have in common."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.layers.gather_rows import gather_rows
from clickwright.models.optimizers.row_gradient import RowGradient, touched
from clickwright.models.optimizers.sparse_optimizer import SparseOptimizer

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


class RowOptimizer(SparseOptimizer):
    """Base of optimizers that move touched rows alone, weights and state.

    What a step costs depends on the rows that took part in it, not on the size of the
    table. Subclasses say what they keep of a row, and how a touched row moves. A row is
    an entry along the first axis, so of a bias each element is one.

    Args:
        learning_rate: a float, schedule or callable.
        l2: L2 coefficient, or one for each variable by its path (others have 0). A
            touched row has `l2` times itself added to its gradient: what a penalty of
            `l2 / 2` times its squared norm would add, once for each step that the row
            takes part in. It stands in for a penalty on whole tables.
        weight_decay: a touched row first shrinks by `weight_decay` times the learning
            rate times itself; others do not.
        **kwargs: of Keras' optimizers.

    Raises:
        ValueError: `l2` is negative.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        l2: float | Mapping[str, float] = 0.0,
        weight_decay: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        if min(l2.values(), default=0.0) < 0 if isinstance(l2, Mapping) else l2 < 0:
            raise ValueError(f"`l2` must not be negative. Received: {l2}")
        self.l2 = l2

    def row_state(self) -> list[tuple[bool, float]]:
        """Of each value kept for a row: whether it is one scalar, and its start."""
        raise NotImplementedError

    def moved(
        self, gradient: Any, row: Any, state: Sequence[Any], learning_rate: Any
    ) -> list[Any]:
        """New rows and their new state.

        Args:
            gradient: `[n, ...]`, of rows that are all different.
            row: `[n, ...]`.
            state: in the order of `row_state`; scalars are `[n, 1 ...]`.
            learning_rate: a scalar.
        """
        raise NotImplementedError

    def l2_of(self, variable: Any) -> float:
        """The L2 coefficient of the variable."""
        if isinstance(self.l2, Mapping):
            return self.l2.get(getattr(variable, "path", ""), 0.0)
        return self.l2

    def build(self, variables: Sequence[Any]) -> None:
        """Makes the state of the variables."""
        if self.built:
            return
        super().build(variables)
        # One table for all that is kept of a row: what costs time is finding the row.
        self._state = [
            self.add_variable(
                (_rows(v), sum(width for _, width, _ in self._columns(v))),
                initializer=self._starts(v),
                dtype=_precise(v.dtype),
                name=f"{getattr(v, 'path', v.name).replace('/', '_')}_state",
            )
            for v in variables
        ]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Moves the rows of one variable that its gradient touches."""
        if keras.backend.backend() == "tensorflow" and isinstance(
            gradient, tf.IndexedSlices
        ):
            gradient = RowGradient(gradient.indices, gradient.values)
        tables = [variable, self._state[self._get_variable_index(variable)]]
        dtype = _precise(variable.dtype)
        if isinstance(gradient, RowGradient):
            before = [gather_rows(table, gradient.rows) for table in tables]
            values = ops.cast(gradient.values, dtype)
        else:
            before = [ops.convert_to_tensor(table) for table in tables]
            values = ops.cast(gradient, dtype)
        row = ops.cast(before[0], dtype)
        rate = ops.cast(learning_rate, dtype)
        if self.weight_decay and self._use_weight_decay(variable):
            row = row * (1 - rate * self.weight_decay)
        row, *state = self.moved(values, row, self._unpacked(before[1], variable), rate)
        moves = touched(values)
        # [n, ...] and [n, columns]
        after = [
            (ops.cast(row, variable.dtype), moves),
            (self._packed(state, variable), ops.reshape(moves, (-1, 1))),
        ]
        for table, old, (new, where) in zip(tables, before, after, strict=True):
            if not isinstance(gradient, RowGradient):
                self.assign(table, ops.where(where, new, old))
            elif keras.backend.backend() == "tensorflow":
                self.assign(table, tf.IndexedSlices(new, gradient.rows))
            else:
                # Rows occur more than once, and all but one do not move.
                change = ops.where(where, new - old, 0)
                index = ops.expand_dims(gradient.rows, 1)
                whole = ops.convert_to_tensor(table)
                self.assign(
                    table, ops.scatter_update(whole, index, change, reduction="add")
                )

    def _columns(self, variable: Any) -> list[tuple[tuple[int, ...], int, float]]:
        """Of each value kept for a row: its shape, its columns, and its start."""
        shape = tuple(variable.shape[1:])
        return [
            ((1,) * len(shape), 1, start)
            if scalar
            else (shape, math.prod(shape), start)
            for scalar, start in self.row_state()
        ]

    def _starts(self, variable: Any) -> Any:
        columns = self._columns(variable)

        def initializer(shape: Any, dtype: Any) -> Any:
            return ops.concatenate(
                [
                    ops.full((shape[0], width), start, dtype)
                    for _, width, start in columns
                ],
                axis=1,
            )

        return initializer

    def _unpacked(self, packed: Any, variable: Any) -> list[Any]:
        state, at = [], 0
        for shape, width, _ in self._columns(variable):
            part = packed[:, at : at + width]
            # A weight without axes is a row of its own.
            state.append(ops.reshape(part, (-1, *shape) if variable.shape else ()))
            at += width
        return state

    def _packed(self, state: Sequence[Any], variable: Any) -> Any:
        columns = self._columns(variable)
        parts = [
            ops.reshape(part, (-1, width))
            for part, (_, width, _) in zip(state, columns, strict=True)
        ]
        return ops.concatenate(parts, axis=1)

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        l2 = dict(self.l2) if isinstance(self.l2, Mapping) else self.l2
        return {**super().get_config(), "l2": l2}

    def _apply_weight_decay(self, variables: Sequence[Any]) -> None:
        """Nothing: rows shrink as they move."""

    def _backend_update_step(
        self, grads: Sequence[Any], trainable_variables: Any, learning_rate: Any
    ) -> None:
        if keras.backend.backend() == "tensorflow":
            # Strategies can pass slices on to replicas.
            grads = [
                tf.IndexedSlices(g.values, g.rows) if isinstance(g, RowGradient) else g
                for g in grads
            ]
        super()._backend_update_step(grads, trainable_variables, learning_rate)

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        return list(grads_and_vars)  # `apply` has summed them


def _rows(variable: Any) -> int:
    return int(variable.shape[0]) if variable.shape else 1


def _precise(dtype: Any) -> str:
    return keras.backend.result_type(keras.backend.standardize_dtype(dtype), "float32")
