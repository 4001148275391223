"""A gate on every coordinate of the input."""

from collections.abc import Sequence
from typing import Any

import keras

from clickwright.models.layers.mlp import MLP


@keras.saving.register_keras_serializable(package="clickwright")
class FeatureGate(keras.layers.Layer):
    """`2 * sigmoid(MLP(c)) * x`: what the context `c` makes of each coordinate.

    The context is a second input, or a learned vector that is the same for all rows.
    That vector starts near zero, not at zero as in FuxiCTR: there the ReLU lets no
    gradient through, and of the whole gate only the last bias would ever learn. Gates
    start close to 1.

    Args:
        hidden_units: widths of the hidden ReLU layers between context and gates.
        learned_context: width of the learned context; None where the context is given.

    Input shape:
        `[batch, N]` with a learned context, else a list `[batch, N]`, `[batch, C]`.

    Output shape:
        `[batch, N]`.

    Raises:
        ValueError: `learned_context` is below 1.

    References:
        Mao et al., FinalMLP, AAAI 2023 (arXiv 2304.00902).
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        learned_context: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if learned_context is not None and learned_context < 1:
            raise ValueError(
                f"`learned_context` must be at least 1. Received: {learned_context}"
            )
        self.hidden_units = tuple(hidden_units)
        self.learned_context = learned_context
        self.hidden = MLP(
            self.hidden_units, batch_norm=False, dtype=self.dtype_policy, name="hidden"
        )

    def build(self, input_shape: Any) -> None:
        """Makes the learned context, if any, and the layers between it and the gates."""
        if self.learned_context is None:
            (_, width), context_shape = input_shape
        else:
            width, context_shape = input_shape[-1], (1, self.learned_context)
            self.context = self.add_weight(
                name="context",
                shape=context_shape,
                initializer=keras.initializers.RandomNormal(stddev=1e-4),
            )
        self.hidden.build(context_shape)
        self.gates = keras.layers.Dense(
            width,
            activation="sigmoid",
            kernel_initializer="glorot_normal",
            dtype=self.dtype_policy,
            name="gates",
        )
        self.gates.build(self.hidden.compute_output_shape(context_shape))

    def call(self, inputs: Any) -> Any:
        """Multiplies by gates between 0 and 2."""
        if self.learned_context is None:
            x, context = inputs
        else:
            x, context = inputs, self.context  # one row of gates serves the batch
        return x * (2.0 * self.gates(self.hidden(context)))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """`[batch, N]`."""
        return tuple(input_shape if self.learned_context else input_shape[0])

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "hidden_units": list(self.hidden_units),
            "learned_context": self.learned_context,
        }
