"""A frozen table of vectors, one a row of an entity's vocabulary."""

from typing import Any

import keras
from keras import ops

from clickwright.models.layers.gather_rows import gather_rows
from clickwright.schemas.model_input import Storage

VECTORS = "item_vectors"
"""Name of the variable, by which it is found in a SavedModel."""


@keras.saving.register_keras_serializable(package="clickwright")
class ItemVectors(keras.layers.Layer):
    """Looks up the vectors of ids; the table is filled once and never trained.

    The table is zeros until `fill` gives it its content, so that a model is built, and
    its architecture kept, without the data. Row 0, missing and padding, is zeros.

    `float16` halves the table, and `int8` quarters it: there a value is the stored
    integer times the scale of its row. Either is turned to float32 after the gather,
    so that no step costs more than the rows that it reads.

    Modality dropout: in training, the vectors of a share of the batch's rows are set
    to zero, for each row all that the call looks up, as though the items' vectors were
    missing. What is kept is not scaled up: at serving present and missing vectors
    occur side by side as they do in training. Each call draws its own rows.

    Args:
        rows: rows of the table, the padding row included.
        width: values a vector.
        storage: number format of the table.
        dropout: share of the batch's rows that training zeroes.

    Input shape:
        Integers `[batch]` or `[batch, ...]`.

    Output shape:
        `[batch, ..., width]`.

    Raises:
        ValueError: `rows` or `width` is below 1, there is no such format, or the share
            is not in `[0, 1)`.
    """

    def __init__(
        self,
        rows: int,
        width: int,
        storage: Storage = "float32",
        dropout: float = 0.0,
        dtype: Any = "float32",
        **kwargs: Any,
    ) -> None:
        super().__init__(dtype=dtype, autocast=False, **kwargs)
        for name, value in (("rows", rows), ("width", width)):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {value}")
        if storage not in ("float32", "float16", "int8"):
            raise ValueError(
                f"`storage` must be `float32`, `float16` or `int8`. Received: {storage}"
            )
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"`dropout` must be in [0, 1). Received: {dropout}")
        self.rows = rows
        self.width = width
        self.storage = storage
        self.dropout = dropout
        self.scales: Any = None
        if dropout > 0.0:
            self.seed_generator = keras.random.SeedGenerator()

    def build(self, input_shape: Any) -> None:
        """Makes the table, `[rows, width]`, and the scales of `int8`, `[rows]`."""
        self.vectors = self.add_weight(
            name=VECTORS,
            shape=(self.rows, self.width),
            dtype=self.storage,
            initializer="zeros",
            trainable=False,
            autocast=False,
        )
        if self.storage == "int8":
            self.scales = self.add_weight(
                name="scales",
                shape=(self.rows,),
                dtype="float32",
                initializer="zeros",
                trainable=False,
                autocast=False,
            )

    @property
    def frozen(self) -> list[keras.Variable]:
        """The variables that `fill` fills."""
        return [self.vectors] if self.scales is None else [self.vectors, self.scales]

    def fill(self, matrix: Any, scales: Any = None) -> None:
        """Gives the table its content.

        Args:
            matrix: `[rows, width]` in the storage format; row 0 zeros.
            scales: `[rows]`, with `int8`, and None without.

        Raises:
            ValueError: the arrays have another shape or format, or row 0 is not zeros.
        """
        found = (str(matrix.dtype), tuple(matrix.shape))
        if found != (self.storage, (self.rows, self.width)):
            raise ValueError(
                f"`matrix` must be {self.storage} {[self.rows, self.width]}. Received: "
                f"{found[0]} {list(found[1])}"
            )
        if (self.storage == "int8") != (scales is not None):
            raise ValueError(
                f"`scales` must be given with `int8` alone. Received storage: "
                f"{self.storage}, scales: {scales}"
            )
        if scales is not None and tuple(scales.shape) != (self.rows,):
            raise ValueError(
                f"`scales` must be {[self.rows]}. Received: {list(scales.shape)}"
            )
        if matrix[0].any():
            raise ValueError("Row 0 of `matrix` must be zeros. Received other values.")
        self.vectors.assign(matrix)
        if scales is not None:
            self.scales.assign(scales)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Gathers the rows, and scales and drops them."""
        ids = ops.cast(inputs, "int32")
        vectors = ops.cast(gather_rows(self.vectors, ids), "float32")  # [..., width]
        if self.scales is not None:
            vectors *= ops.expand_dims(gather_rows(self.scales, ids), -1)
        if training and self.dropout > 0.0:
            vectors *= self._kept(vectors)
        return ops.cast(vectors, self.compute_dtype)

    def _kept(self, vectors: Any) -> Any:
        """1 for the rows of the batch that keep their vectors, else 0; `[B, 1, ...]`."""
        shape = (ops.shape(vectors)[0], *(1 for _ in vectors.shape[1:]))
        drawn = keras.random.uniform(shape, seed=self.seed_generator)
        return ops.cast(drawn >= self.dropout, vectors.dtype)

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
            "storage": self.storage,
            "dropout": self.dropout,
        }
