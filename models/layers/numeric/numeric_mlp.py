"""A small network a field."""

from typing import Any

import keras
from keras import ops

from clickwright.models.layers.numeric.numeric_encoder import NumericEncoder


@keras.saving.register_keras_serializable(package="clickwright")
class NumericMLP(NumericEncoder):
    """`relu(x w + b) W + c`, all of the field's own.

    `w` and `b` are `[U]`, `W` is `[U, D]`. With the embeddings of missing values,
    `F (2 U + U D + 2 D)` parameters. `w` and `b` start uniform in +-1, so that the
    kinks `-b / w` lie about the values of a scaled field. The hidden layer is float32.

    Args:
        names: see `NumericEncoder`, as all arguments.

    Input shape:
        `[batch, F]`, NaN where a value is missing.

    Output shape:
        `[batch, F, width]`.

    Raises:
        ValueError: there are no fields, or encodings that do not belong together.
    """

    kind = "mlp"

    def build(self, input_shape: Any) -> None:
        """Makes both layers of all fields."""
        super().build(input_shape)
        fields, units = len(self.names), self.encodings[0].hidden_units
        self.first, self.first_bias = (
            self.add_weight(
                name=name,
                shape=(fields, units),
                initializer=keras.initializers.RandomUniform(-1.0, 1.0),
                autocast=False,
            )
            for name in ("first", "first_bias")
        )
        self.kernel = self.add_embeddings("kernel", (fields, units, self.width))
        self.bias = self.add_weight(
            name="bias",
            shape=(fields, self.width),
            initializer="zeros",
            autocast=False,
        )

    def encode(self, x: Any, training: bool | None) -> Any:
        """Two layers."""
        first = ops.expand_dims(self.first, 1)  # [F, 1, U]
        bias = ops.expand_dims(self.first_bias, 1)
        hidden = ops.relu(self.by_field(x) * first + bias)  # [F, B, U]
        mixed = self.mix(hidden, self.kernel)  # [B, F, D]
        return mixed + ops.cast(self.bias, mixed.dtype)
