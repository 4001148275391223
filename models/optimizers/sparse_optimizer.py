"""What optimizers need that keep gradients of tables sparse."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.layers.gather_rows import gather_rows
from clickwright.models.optimizers.row_gradient import (
    RowGradient,
    as_row_gradient,
    map_values,
    touched,
)

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


class SparseOptimizer(keras.optimizers.Optimizer):
    """Base of optimizers of tables: Keras' own but for what it does to a gradient.

    Before anything else the gradients of a row that occurs several times in a batch are
    summed, and gradients of replicas too; Keras adds their *squares* where it should
    square their sum, and clips before it sums. Then, in this order, losses are
    unscaled, gradients accumulated, `l2` times the row is added to the gradient of each
    touched row, and all is clipped. Norms are those of the summed gradients.

    A row is touched if its summed gradient has a value other than zero, whether the
    gradient came sparse or dense.

    `gradient_accumulation_steps` keeps one more table the size of the weights. Steps in
    between add touched rows alone; the one that moves the weights reads the whole
    table and sets it to zero. `use_ema` reads and writes whole tables in every step,
    and Keras' `LossScaleOptimizer` looks for infinite gradients in whole tables.
    """

    def l2_of(self, variable: Any) -> float:
        """The L2 coefficient of a variable: what its touched rows are multiplied by."""
        raise NotImplementedError

    def takes_rows(self, variable: Any) -> bool:
        """Whether gradients of the variable stay sparse."""
        return True

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Moves the variables by one step.

        Args:
            grads: one gradient a variable: dense, `tf.IndexedSlices`, `RowGradient`, or
                None.
            trainable_variables: those the optimizer was built with, in their order, if
                None.

        Raises:
            ValueError: gradients and variables differ in number.
        """
        given = trainable_variables is not None
        variables = list(trainable_variables if given else self._trainable_variables)
        if len(grads) != len(variables):
            raise ValueError(
                f"`grads` must hold one gradient for each of the {len(variables)} "
                f"variables. Received: {len(grads)}."
            )
        grads = self._summed_over_replicas(list(grads))
        super().apply(
            [self._prepared(g, v) for g, v in zip(grads, variables, strict=True)],
            variables,
        )

    def _summed_over_replicas(self, grads: list[Any]) -> list[Any]:
        if keras.backend.backend() != "tensorflow" or not self._replicas > 1:
            return grads
        known = [g for g in grads if g is not None]
        context = tf.distribute.get_replica_context()
        summed = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, known))
        return [None if g is None else next(summed) for g in grads]

    @property
    def _replicas(self) -> int:
        if keras.backend.backend() != "tensorflow":
            return 1
        return self._distribution_strategy.num_replicas_in_sync

    def _prepared(self, gradient: Any, variable: Any) -> Any:
        if not self.takes_rows(variable):
            if isinstance(gradient, RowGradient):
                return gradient.dense(variable.shape)
            if keras.backend.backend() == "tensorflow" and gradient is not None:
                return tf.convert_to_tensor(gradient)
            return gradient
        gradient = as_row_gradient(gradient)
        if (
            isinstance(gradient, RowGradient)
            and self.gradient_accumulation_steps
            and keras.backend.backend() != "tensorflow"
        ):
            return gradient.dense(variable.shape)
        return gradient

    def _backend_apply_gradients(self, grads: Any, trainable_variables: Any) -> None:
        # `_clip_gradients` is not told the variables, and the penalty must come after
        # accumulation and before clipping. Keras would track them as its own state.
        object.__setattr__(self, "_stepped", trainable_variables)
        super()._backend_apply_gradients(grads, trainable_variables)

    def _clip_gradients(self, grads: Sequence[Any]) -> list[Any]:
        grads = [
            self._penalized(g, v) for g, v in zip(grads, self._stepped, strict=True)
        ]
        if self.clipvalue:
            return [map_values(self._value_clipped, g) for g in grads]
        if self.clipnorm:
            norms = [ops.sqrt(squared_norm([g])) for g in grads]
            return [
                _clipped(g, norm, self.clipnorm)
                for g, norm in zip(grads, norms, strict=True)
            ]
        if self.global_clipnorm:
            norm = ops.sqrt(squared_norm(grads))
            return [_clipped(g, norm, self.global_clipnorm) for g in grads]
        return grads

    def _value_clipped(self, values: Any) -> Any:
        return ops.clip(values, -self.clipvalue, self.clipvalue)

    def _penalized(self, gradient: Any, variable: Any) -> Any:
        if not (self.takes_rows(variable) and self.l2_of(variable)):
            return gradient
        if isinstance(gradient, RowGradient):
            row = gather_rows(variable, gradient.rows)
        else:
            row = ops.convert_to_tensor(variable)

        def penalized(values: Any) -> Any:
            pull = ops.cast(row, values.dtype) * self.l2_of(variable)
            return values + ops.where(touched(values), pull, 0.0)

        return map_values(penalized, gradient)

    def _backend_increment_gradient_accumulators(
        self, grads: Sequence[Any], acc_grads: Sequence[Any]
    ) -> None:
        dense = []
        for gradient, table in zip(grads, acc_grads, strict=True):
            if isinstance(gradient, RowGradient):
                table.value.scatter_add(
                    tf.IndexedSlices(gradient.values, gradient.rows)
                )
            else:
                dense.append((gradient, table))
        if dense:
            super()._backend_increment_gradient_accumulators(*zip(*dense, strict=True))


def squared_norm(grads: Sequence[Any]) -> Any:
    """Sum of the squares of all values."""
    values = [g.values if isinstance(g, RowGradient) else g for g in grads]
    return sum(ops.sum(ops.square(ops.cast(v, "float32"))) for v in values)


def _clipped(gradient: Any, norm: Any, limit: float) -> Any:
    # Times infinity, minus infinity or NaN if the norm is not finite, like Keras.
    factor = limit / ops.maximum(norm, limit) + (norm - norm)
    return map_values(lambda v: v * ops.cast(factor, v.dtype), gradient)
