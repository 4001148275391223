"""Dice: an activation whose threshold follows the data."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class Dice(keras.layers.Layer):
    """`p x + (1 - p) alpha x`, `p = sigmoid(norm(x))`.

    `norm` is batch normalization without scale and offset (epsilon 1e-9, momentum
    0.99), `alpha` a weight a unit that starts at 0.

    Input shape:
        `[batch, ..., N]`.

    Output shape:
        As the input.

    References:
        Zhou et al., Deep Interest Network, KDD 2018, section 5.3; settings are those of
        FuxiCTR.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.norm = keras.layers.BatchNormalization(
            momentum=0.99,
            epsilon=1e-9,
            center=False,
            scale=False,
            dtype=self.dtype_policy,
            name="norm",
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the statistics and `alpha`, `[N]`."""
        self.norm.build(input_shape)
        self.alpha = self.add_weight(
            name="alpha", shape=(input_shape[-1],), initializer="zeros"
        )

    def call(
        self, inputs: Any, training: bool | None = None, counted: Any = None
    ) -> Any:
        """Activates.

        Args:
            inputs: what is activated.
            training: whether statistics are those of the batch.
            counted: bool `[batch, ...]`, false where values are left out of them.
        """
        p = ops.sigmoid(self.norm(inputs, training=training, mask=counted))
        return inputs * (p + (1.0 - p) * self.alpha)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """That of the input."""
        return input_shape
