"""A frozen table of ids, such as an item's tags, one row an entity."""

from typing import Any

import keras
from keras import ops

from clickwright.models.layers.gather_rows import gather_rows


@keras.saving.register_keras_serializable(package="clickwright")
class ItemAttributes(keras.layers.Layer):
    """Looks up the attributes of ids; the table is filled once and never trained.

    The attributes are ids themselves, of an embedding table of their own, padded with
    0. The table is zeros until `fill` gives it its content; row 0, missing and
    padding, is zeros.

    Args:
        rows: rows of the table, the padding row included.
        length: attributes a row.

    Input shape:
        Integers `[batch]` or `[batch, ...]`.

    Output shape:
        int32 `[batch, ..., length]`.

    Raises:
        ValueError: `rows` or `length` is below 1.
    """

    def __init__(self, rows: int, length: int, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        for name, value in (("rows", rows), ("length", length)):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {value}")
        self.rows = rows
        self.length = length

    def build(self, input_shape: Any) -> None:
        """Makes the table, `[rows, length]`."""
        self.attributes = self.add_weight(
            name="attributes",
            shape=(self.rows, self.length),
            dtype="int32",
            initializer="zeros",
            trainable=False,
            autocast=False,
        )

    @property
    def frozen(self) -> list[keras.Variable]:
        """The variables that `fill` fills."""
        return [self.attributes]

    def fill(self, matrix: Any) -> None:
        """Gives the table its content.

        Args:
            matrix: int32 `[rows, length]`; row 0 zeros.

        Raises:
            ValueError: the array has another shape or format, or row 0 is not zeros.
        """
        found = (str(matrix.dtype), tuple(matrix.shape))
        if found != ("int32", (self.rows, self.length)):
            raise ValueError(
                f"`matrix` must be int32 {[self.rows, self.length]}. Received: "
                f"{found[0]} {list(found[1])}"
            )
        if matrix[0].any():
            raise ValueError("Row 0 of `matrix` must be zeros. Received other values.")
        self.attributes.assign(matrix)

    def call(self, inputs: Any) -> Any:
        """Gathers the rows."""
        return gather_rows(self.attributes, ops.cast(inputs, "int32"))

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        """int32 `[batch, ..., length]`."""
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), "int32")

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """`[batch, ..., length]`."""
        return (*input_shape, self.length)

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "rows": self.rows, "length": self.length}
