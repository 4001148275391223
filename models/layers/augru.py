"""A GRU whose update gate obeys an attention."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class AUGRU(keras.layers.Layer):
    """The last state of a GRU with attentional update gates.

    With an event `x`, its attention `a` and the state `h` before it:

        `u = sigmoid(x W_u + b_u + h U_u + c_u)`, `r` likewise
        `n = tanh(x W_n + b_n + r * (h U_n + c_n))`

    and by `form` the next state is

    * `paper`: `(1 - a u) * h + a u * n`, so that no attention leaves the state as it is;
    * `official`: `k * h + (1 - k) * n`, `k = (1 - a) u`, as in the authors' code, where
      no attention makes an ordinary step.

    Padding, wherever it lies, leaves the state as it is in both. The state starts at
    zeros, and a history without events ends with them. All runs in float32. A history
    of batch 1 serves all attentions.

    Args:
        units: width of the state.
        form: `paper` or `official`.

    Input shape:
        Dict of `history`, `[batch or 1, L, d]`, `attention`, `[batch, L]`, and `mask`,
        `[batch or 1, L]`, 1 at events and 0 at padding.

    Output shape:
        `[batch, units]`.

    Raises:
        ValueError: `units` is not positive, or `form` is none of these.

    References:
        Zhou et al., Deep Interest Evolution Network, AAAI 2019, equations 2 and 7.
    """

    mixes_batches: ClassVar[bool] = True

    def __init__(
        self, units: int, form: Literal["paper", "official"] = "paper", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"`units` must be at least 1. Received: {units}")
        if form not in ("paper", "official"):
            raise ValueError(f"`form` must be `paper` or `official`. Received: {form}")
        self.units = units
        self.form = form

    def build(self, input_shape: Mapping[str, tuple[int | None, ...]]) -> None:
        """Makes kernels and biases; columns are those of `u`, `r` and `n`."""
        columns = 3 * self.units
        width = input_shape["history"][-1]
        self.kernel = self.add_weight(
            name="kernel", shape=(width, columns), initializer="glorot_uniform"
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units, columns),
            initializer="orthogonal",
        )
        self.bias = self.add_weight(name="bias", shape=(columns,), initializer="zeros")
        self.recurrent_bias = self.add_weight(
            name="recurrent_bias", shape=(columns,), initializer="zeros"
        )

    def call(self, inputs: Mapping[str, Any]) -> Any:
        """Goes through the events, the oldest first."""
        projected = ops.matmul(inputs["history"], self.kernel) + self.bias
        events = ops.transpose(ops.cast(projected, "float32"), (1, 0, 2))  # [L, B, 3h]
        attention = _by_place(inputs["attention"])  # [L, B, 1]
        real = _by_place(inputs["mask"])
        kernel = ops.cast(self.recurrent_kernel, "float32")
        bias = ops.cast(self.recurrent_bias, "float32")

        def step(state: Any, event: Any) -> tuple[Any, Any]:
            x, a, m = event
            hidden = ops.matmul(state, kernel) + bias  # [B, 3h]
            x_u, x_r, x_n = ops.split(x, 3, axis=-1)
            h_u, h_r, h_n = ops.split(hidden, 3, axis=-1)
            update = ops.sigmoid(x_u + h_u)
            candidate = ops.tanh(x_n + ops.sigmoid(x_r + h_r) * h_n)
            if self.form == "paper":
                taken = a * update
            else:
                taken = 1.0 - (1.0 - a) * update
            state = state + m * taken * (candidate - state)
            return state, state

        start = ops.zeros_like(attention[0]) * ops.ones((1, self.units))  # [B, h]
        state, _ = ops.scan(step, start, (events, attention, real))
        return ops.cast(state, self.compute_dtype)

    def compute_output_shape(
        self, input_shape: Mapping[str, tuple[int | None, ...]]
    ) -> tuple[int | None, int]:
        """`[batch, units]`."""
        return (input_shape["attention"][0], self.units)

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "units": self.units, "form": self.form}


def _by_place(values: Any) -> Any:
    """`[batch, L]` to float32 `[L, batch, 1]`."""
    return ops.expand_dims(ops.transpose(ops.cast(values, "float32")), -1)
