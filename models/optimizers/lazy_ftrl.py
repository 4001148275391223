"""FTRL-Proximal for tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.optimizers.row_optimizer import RowOptimizer


@keras.saving.register_keras_serializable(package="clickwright")
class LazyFtrl(RowOptimizer):
    """FTRL-Proximal, with L1 that makes weights exactly zero, on touched rows alone.

    With `g` the summed gradient of a touched row,

        q' = sqrt(n + g^2) / learning_rate;  n = n + g^2
        z = z + g - (q' - q) row;            q = q'
        row = (clip(z, -l1, l1) - z) / (q + 2 l2_regularization_strength)

    `q` is kept by the learning rate of the row's last step. Keras' Ftrl takes today's
    for both `q` and `q'`, so that lowering the rate shrinks all weights by the same
    factor; here a lower rate makes steps shorter and no more. At a constant rate both
    are the same. Rows without a gradient do not move in FTRL either.

    Args:
        learning_rate: a float, schedule or callable.
        initial_accumulator_value: `n` at the start. At 0 rows start from their initial
            values; at more, Keras' default is 0.1, the first step takes most of them
            away.
        l1_regularization_strength: `l1`.
        l2_regularization_strength: pull towards zero that, unlike `l2`, does not grow
            with the number of steps.
        l2: L2 coefficient of touched rows; see `RowOptimizer`.
        **kwargs: of `RowOptimizer`.

    Raises:
        ValueError: a strength, `initial_accumulator_value` or `l2` is negative.

    References:
        McMahan et al., Ad Click Prediction: a View from the Trenches, KDD 2013.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.0,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2: float | Mapping[str, float] = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, l2=l2, **kwargs)
        self.initial_accumulator_value = initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        for name in (
            "initial_accumulator_value",
            "l1_regularization_strength",
            "l2_regularization_strength",
        ):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"`{name}` must not be negative. Received: {getattr(self, name)}"
                )

    def row_state(self) -> list[tuple[bool, float]]:
        """`n`, `z`, and the learning rate of the row's last step; 0 before."""
        return [
            (False, self.initial_accumulator_value),
            (False, 0.0),
            (True, 0.0),
        ]

    def moved(
        self, gradient: Any, row: Any, state: Sequence[Any], learning_rate: Any
    ) -> list[Any]:
        """One step of FTRL."""
        n, z, last_rate = state
        rate = ops.ones_like(last_rate) * learning_rate
        old_q = ops.sqrt(n) / ops.where(last_rate > 0, last_rate, rate)
        n = n + ops.square(gradient)
        q = ops.sqrt(n) / rate
        z = z + gradient - (q - old_q) * row
        l1 = self.l1_regularization_strength
        pull = q + 2 * self.l2_regularization_strength
        # A value that never had a gradient, beside others in its row, stays.
        known = pull > 0
        solved = (ops.clip(z, -l1, l1) - z) / ops.where(known, pull, 1.0)
        return [ops.where(known, solved, row), n, z, rate]

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "initial_accumulator_value": self.initial_accumulator_value,
            "l1_regularization_strength": self.l1_regularization_strength,
            "l2_regularization_strength": self.l2_regularization_strength,
        }
