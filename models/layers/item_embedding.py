"""A table of items' embeddings, the padding row zero for good."""

from typing import Any

import keras
from keras import ops

from clickwright.models.layers.gather_rows import gather_rows


@keras.saving.register_keras_serializable(package="clickwright")
class ItemEmbedding(keras.layers.Layer):
    """Looks ids up in one table; id 0 is padding, gives zeros, and never learns.

    Args:
        rows: rows of the table, the padding row included.
        width: values a row, `D`.
        embeddings_initializer: initializer of the rows but for row 0.

    Input shape:
        Integers `[batch, ...]`.

    Output shape:
        `[batch, ..., width]`.

    Raises:
        ValueError: `rows` or `width` is below 1.
    """

    def __init__(
        self,
        rows: int,
        width: int,
        embeddings_initializer: Any = "uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        for name, value in (("rows", rows), ("width", width)):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {value}")
        self.rows = rows
        self.width = width
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)

    def build(self, input_shape: Any) -> None:
        """Makes the table, `[rows, width]`."""
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.rows, self.width),
            initializer=self._initial,
            autocast=False,  # a cast would copy the table at every step
        )

    def call(self, inputs: Any) -> Any:
        """Gathers the rows."""
        ids = ops.cast(inputs, "int32")
        rows = ops.cast(gather_rows(self.embeddings, ids), self.compute_dtype)
        # The row is zero already; the factor keeps its gradient zero.
        real = ops.cast(ops.not_equal(ids, 0), self.compute_dtype)
        return rows * ops.expand_dims(real, -1)

    def matrix(self, rows: int | None = None) -> Any:
        """The table or its first `rows`, `[rows, width]`, float32."""
        table = ops.convert_to_tensor(self.embeddings)
        return table if rows is None else table[:rows]

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        """`[batch, ..., width]`, in the compute dtype."""
        return keras.KerasTensor(
            self.compute_output_shape(inputs.shape), self.compute_dtype
        )

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """`[batch, ..., width]`."""
        return (*input_shape, self.width)

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "rows": self.rows,
            "width": self.width,
            "embeddings_initializer": keras.initializers.serialize(
                self.embeddings_initializer
            ),
        }

    def _initial(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        values = self.embeddings_initializer(shape, dtype=dtype)
        real = ops.cast(ops.arange(shape[0]) > 0, values.dtype)
        return values * ops.expand_dims(real, -1)
