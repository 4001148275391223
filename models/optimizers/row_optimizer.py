"""What the optimizers of tables have in common."""

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

    def row_state(self) -> list[tuple[str, bool, float]]:
        """Of each value kept for a row: name, whether it is one scalar, and start."""
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
        self._state = [
            [
                self.add_variable(
                    (*v.shape[:1], *(1 for _ in v.shape[1:])) if scalar else v.shape,
                    initializer=keras.initializers.Constant(start),
                    dtype=_precise(v.dtype),
                    name=f"{getattr(v, 'path', v.name).replace('/', '_')}_{name}",
                )
                for name, scalar, start in self.row_state()
            ]
            for v in variables
        ]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Moves the rows of one variable that its gradient touches."""
        if keras.backend.backend() == "tensorflow" and isinstance(
            gradient, tf.IndexedSlices
        ):
            gradient = RowGradient(gradient.indices, gradient.values)
        tables = [variable, *self._state[self._get_variable_index(variable)]]
        dtype = _precise(variable.dtype)
        if isinstance(gradient, RowGradient):
            before = [gather_rows(table, gradient.rows) for table in tables]
            values = ops.cast(gradient.values, dtype)
        else:
            before = [ops.convert_to_tensor(table) for table in tables]
            values = ops.cast(gradient, dtype)
        row, *state = [ops.cast(b, dtype) for b in before]
        rate = ops.cast(learning_rate, dtype)
        if self.weight_decay and self._use_weight_decay(variable):
            row = row * (1 - rate * self.weight_decay)
        after = self.moved(values, row, state, rate)
        moves = touched(values)
        for table, old, new in zip(tables, before, after, strict=True):
            new = ops.cast(new, old.dtype)
            if not isinstance(gradient, RowGradient):
                self.assign(table, ops.where(moves, new, old))
            elif keras.backend.backend() == "tensorflow":
                self.assign(table, tf.IndexedSlices(new, gradient.rows))
            else:
                # Rows occur more than once, and all but one do not move.
                change = ops.where(moves, new - old, 0)
                index = ops.expand_dims(gradient.rows, 1)
                whole = ops.convert_to_tensor(table)
                self.assign(
                    table, ops.scatter_update(whole, index, change, reduction="add")
                )

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


def _precise(dtype: Any) -> str:
    return keras.backend.result_type(keras.backend.standardize_dtype(dtype), "float32")
