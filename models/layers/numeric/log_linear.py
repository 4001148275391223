"""The logarithm of a number times a row."""

from typing import Any

import keras
import numpy as np
from keras import ops

from clickwright.models.layers.numeric.numeric_encoder import NumericEncoder


@keras.saving.register_keras_serializable(package="clickwright")
class LogLinear(NumericEncoder):
    """`(slog(x) - m) / s v + b`, with `slog(x) = sign(x) log(1 + |x|)`, in float32.

    `m` and `s` are constants of the encodings, `shift` and `width`, that give the
    logarithms a mean near 0 and a deviation near 1.

    `v`, `b` and the embedding of missing values are rows of the field's own: `3 F D`
    parameters. The slope of `slog` is continuous at 0.

    Args:
        names: see `NumericEncoder`, as all arguments.

    Input shape:
        `[batch, F]`, NaN where a value is missing.

    Output shape:
        `[batch, F, width]`.

    Raises:
        ValueError: there are no fields, or encodings that do not belong together.
    """

    kind = "log_linear"
    per_field = frozenset({"shift", "width"})

    def build(self, input_shape: Any) -> None:
        """Makes the rows `v` and `b`, `[F, D]`."""
        super().build(input_shape)
        shape = (len(self.names), self.width)
        self._shift = np.array([e.shift for e in self.encodings], np.float32)
        self._width = np.array([e.width for e in self.encodings], np.float32)
        self.factors = self.add_embeddings("factors", shape)
        self.offsets = self.add_embeddings("offsets", shape)

    def encode(self, x: Any, training: bool | None) -> Any:
        """Scales and shifts."""
        slog = ops.sign(x) * ops.log1p(ops.abs(x))  # [B, F]
        slog = (slog - self._shift) / self._width
        return ops.expand_dims(slog, -1) * self.factors + self.offsets
