"""Items that a query could have led to, made by a diffusion."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

_STEPS = 1000
_FIRST, _LAST = 1e-4, 0.02


@keras.saving.register_keras_serializable(package="clickwright")
class QueryDiffusion(keras.layers.Layer):
    """Guesses an item's vector behind a noised one, given the query.

    Forwards, `x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) e` with normal noise `e` and `a_t =
    prod_{s <= t} (1 - beta_s)`. The `beta` run evenly from 1e-4 to 0.02 over 1000 steps;
    with `T` steps they are `1000 / T` times as large, so that as much noise is added in
    the end. The layer itself is the denoiser `x_0' = f(x_t, t, q)`, a network with one
    hidden layer.

    `generate` goes backwards without noise (DDIM) over `jumps` steps `t > t'`:
    `x_t' = sqrt(a_t') x_0' + sqrt(1 - a_t') (x_t - sqrt(a_t) x_0') / sqrt(1 - a_t)`, the
    last one to `a = 1`.

    Vectors are expected to have values of mean square 1.

    Args:
        steps: `T`.
        jumps: steps backwards, at most `T`.
        hidden_units: width of the hidden layer.

    Input shape:
        Dict of `noised`, `[batch, D]`; `query`, `[batch, D]`; and integers `step`,
        `[batch]`, 0 to `T - 1`.

    Output shape:
        `[batch, D]`.

    Raises:
        ValueError: an argument is out of its range.

    References:
        Ho et al., DDPM, NeurIPS 2020 (arXiv 2006.11239); Song et al., DDIM, ICLR 2021
        (arXiv 2010.02502).
    """

    def __init__(
        self, steps: int = 50, jumps: int = 5, hidden_units: int = 128, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not 1 <= jumps <= steps <= _STEPS:
            raise ValueError(
                f"`jumps` and `steps` must be 1 <= jumps <= steps <= {_STEPS}. "
                f"Received: jumps={jumps}, steps={steps}"
            )
        if hidden_units < 1:
            raise ValueError(
                f"`hidden_units` must be positive. Received: {hidden_units}"
            )
        self.steps = steps
        self.jumps = jumps
        self.hidden_units = hidden_units
        scale = _STEPS / steps
        beta = np.linspace(_FIRST * scale, min(_LAST * scale, 0.999), steps)
        self.kept = np.cumprod(1.0 - beta)
        """`a_t`, `[T]`."""
        self.seed_generator = keras.random.SeedGenerator()
        self.hidden = keras.layers.Dense(
            hidden_units,
            kernel_initializer="glorot_normal",
            dtype=self.dtype_policy,
            name="hidden",
        )

    def build(self, input_shape: Mapping[str, tuple[int | None, ...]]) -> None:
        """Makes the network and a vector a step."""
        width = input_shape["noised"][-1]
        self.step_table = self.add_weight(
            name="steps",
            shape=(self.steps, self.hidden_units),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )
        self.hidden.build((None, 2 * (width or 0)))
        self.output_kernel = self.add_weight(
            name="output_kernel",
            shape=(self.hidden_units, width),
            initializer="glorot_normal",
        )

    def call(self, inputs: Mapping[str, Any]) -> Any:
        """The guess."""
        x = ops.concatenate([inputs["noised"], inputs["query"]], axis=-1)
        step = ops.take(self.step_table, ops.cast(inputs["step"], "int32"), axis=0)
        hidden = ops.silu(self.hidden(x) + ops.cast(step, self.compute_dtype))
        return ops.matmul(hidden, self.output_kernel)

    def noised(self, x: Any, step: Any, noise: Any) -> Any:
        """`x_t` of `x_0`, `[batch, D]`, at steps `[batch]`, with this noise."""
        kept = ops.take(ops.convert_to_tensor(self.kept, "float32"), step, axis=0)
        kept = ops.expand_dims(kept, -1)  # [B, 1]
        return ops.sqrt(kept) * ops.cast(x, "float32") + ops.sqrt(
            1.0 - kept
        ) * ops.cast(noise, "float32")

    def loss(self, items: Any, queries: Any, valid: Any) -> Any:
        """Mean squared error of the guesses at random steps, a scalar.

        Args:
            items: `x_0`, `[batch, D]`.
            queries: `[batch, D]`.
            valid: `[batch]`, 1 at pairs of a query and its item.
        """
        items = ops.cast(items, "float32")
        step = keras.random.randint(
            ops.shape(valid), 0, self.steps, seed=self.seed_generator
        )
        x = self.noised(items, step, self._noise(items))
        guess = ops.cast(self({"noised": x, "query": queries, "step": step}), "float32")
        errors = ops.mean(ops.square(guess - items), axis=-1)  # [B]
        valid = ops.cast(valid, "float32")
        return ops.divide_no_nan(ops.sum(errors * valid), ops.sum(valid))

    def generate(self, queries: Any, noise: Any = None) -> Any:
        """An item for each query, `[batch, D]`, from the noised query.

        Args:
            queries: `[batch, D]`.
            noise: what the query is noised by; drawn when None.
        """
        queries = ops.cast(queries, "float32")
        noise = self._noise(queries) if noise is None else noise
        steps = [n * self.steps // self.jumps for n in reversed(range(self.jumps))]
        at = ops.zeros_like(queries[:, 0], dtype="int32")  # [B]
        x = self.noised(queries, at + steps[0], noise)
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            kept = float(self.kept[step])
            left = 1.0 if following is None else float(self.kept[following])
            guess = self({"noised": x, "query": queries, "step": at + step})
            guess = ops.cast(guess, "float32")
            error = (x - kept**0.5 * guess) / (1.0 - kept) ** 0.5
            x = left**0.5 * guess + (1.0 - left) ** 0.5 * error
        return x

    def _noise(self, like: Any) -> Any:
        return keras.random.normal(ops.shape(like), seed=self.seed_generator)

    def compute_output_shape(
        self, input_shape: Mapping[str, tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """That of `noised`."""
        return tuple(input_shape["noised"])

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "steps": self.steps,
            "jumps": self.jumps,
            "hidden_units": self.hidden_units,
        }
