"""Adam for tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.optimizers.row_optimizer import RowOptimizer


@keras.saving.register_keras_serializable(package="clickwright")
class LazyAdam(RowOptimizer):
    """Adam that leaves rows alone which took no part in a step.

    With `g` the summed gradient of a touched row and `t` the steps that touched it,

        m = beta_1 m + (1 - beta_1) g
        v = beta_2 v + (1 - beta_2) g^2
        row = row - learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + eps)

    It differs from Adam in two ways. Adam moves a row on in the steps after its last
    gradient, by what is left of `m`, and lets `m` and `v` fade meanwhile; here nothing
    of the row changes until it is touched again. And Adam's `t` counts all steps: `m`
    and `v` of a row first touched at step 10 000, which start at zero there as well,
    would go uncorrected, and its first step be three times too long. Where each step
    touches all rows, it is Keras' Adam.

    Args:
        learning_rate: a float, schedule or callable.
        beta_1: decay of the first moment.
        beta_2: decay of the second moment.
        epsilon: added to the root of the second moment.
        row_steps: whether `t` counts the steps of each row; if not, all steps.
        l2: L2 coefficient of touched rows; see `RowOptimizer`.
        **kwargs: of `RowOptimizer`.

    Raises:
        ValueError: a decay is not in `[0, 1)`, or `l2` is negative.

    References:
        Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        row_steps: bool = True,
        l2: float | Mapping[str, float] = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, l2=l2, **kwargs)
        for name, value in (("beta_1", beta_1), ("beta_2", beta_2)):
            if not 0 <= value < 1:
                raise ValueError(f"`{name}` must be in [0, 1). Received: {value}")
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.row_steps = row_steps

    def row_state(self) -> list[tuple[bool, float]]:
        """Both moments, and the steps that touched the row."""
        steps = [(True, 0.0)] if self.row_steps else []
        return [(False, 0.0), (False, 0.0), *steps]

    def moved(
        self, gradient: Any, row: Any, state: Sequence[Any], learning_rate: Any
    ) -> list[Any]:
        """One step of Adam."""
        m, v, *steps = state
        steps = [t + 1 for t in steps]
        t = steps[0] if steps else ops.cast(self.iterations + 1, row.dtype)
        m = m + (gradient - m) * (1 - self.beta_1)
        v = v + (ops.square(gradient) - v) * (1 - self.beta_2)
        rate = learning_rate * ops.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        return [row - rate * m / (ops.sqrt(v) + self.epsilon), m, v, *steps]

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "row_steps": self.row_steps,
        }
