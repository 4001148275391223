"""Adagrad with one accumulator a row."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.optimizers.row_optimizer import RowOptimizer


@keras.saving.register_keras_serializable(package="clickwright")
class RowwiseAdagrad(RowOptimizer):
    """Adagrad whose learning rate is one for all values of a row.

    With `g` the summed gradient of a touched row of `D` values,

        a = a + mean_d g_d^2
        row = row - learning_rate g / (sqrt(a) + epsilon)

    so its state is `1 / D` of the table, where Adam's is twice the table. Rows without
    a gradient do not move in Adagrad either: nothing is lost by leaving them alone.

    Args:
        learning_rate: a float, schedule or callable.
        initial_accumulator_value: `a` at the start. The gradients of a mean over a
            batch are small; at 0.1, Keras' default of its Adagrad, rows hardly move.
        epsilon: added to the root of the accumulator.
        l2: L2 coefficient of touched rows; see `RowOptimizer`.
        **kwargs: of `RowOptimizer`.

    Raises:
        ValueError: `initial_accumulator_value` or `l2` is negative.

    References:
        Duchi et al., Adaptive Subgradient Methods for Online Learning and Stochastic
        Optimization, JMLR 2011; Mudigere et al., Software-Hardware Co-design for Fast
        and Scalable Training of Deep Learning Recommendation Models, ISCA 2022.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.0,
        epsilon: float = 1e-8,
        l2: float | Mapping[str, float] = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, l2=l2, **kwargs)
        if initial_accumulator_value < 0:
            raise ValueError(
                "`initial_accumulator_value` must not be negative. Received: "
                f"{initial_accumulator_value}"
            )
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon

    def row_state(self) -> list[tuple[bool, float]]:
        """One accumulator."""
        return [(True, self.initial_accumulator_value)]

    def moved(
        self, gradient: Any, row: Any, state: Sequence[Any], learning_rate: Any
    ) -> list[Any]:
        """One step of Adagrad."""
        squares = ops.square(gradient)
        if len(squares.shape) > 1:
            axes = tuple(range(1, len(squares.shape)))
            squares = ops.mean(squares, axis=axes, keepdims=True)
        accumulator = state[0] + squares
        step = learning_rate * gradient / (ops.sqrt(accumulator) + self.epsilon)
        return [row - step, accumulator]

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "initial_accumulator_value": self.initial_accumulator_value,
            "epsilon": self.epsilon,
        }
