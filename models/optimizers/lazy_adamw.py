"""AdamW for tables."""

from collections.abc import Mapping
from typing import Any

import keras

from clickwright.models.optimizers.lazy_adam import LazyAdam


@keras.saving.register_keras_serializable(package="clickwright")
class LazyAdamW(LazyAdam):
    """`LazyAdam` whose touched rows also decay, apart from the gradient.

    A touched row first shrinks by `learning_rate * weight_decay` times itself. AdamW
    shrinks all rows in every step; here a row shrinks in the steps that it takes part
    in, so rare rows shrink less.

    Args:
        learning_rate: a float, schedule or callable.
        weight_decay: see above.
        beta_1: decay of the first moment.
        beta_2: decay of the second moment.
        epsilon: added to the root of the second moment.
        row_steps: whether bias is corrected by the steps of each row, or all steps.
        l2: L2 coefficient of touched rows; see `RowOptimizer`.
        **kwargs: of `RowOptimizer`.

    Raises:
        ValueError: a decay is not in `[0, 1)`, or `l2` is negative.

    References:
        Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        row_steps: bool = True,
        l2: float | Mapping[str, float] = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate,
            beta_1,
            beta_2,
            epsilon,
            row_steps,
            l2,
            weight_decay=weight_decay,
            **kwargs,
        )
