"""The file of a table's vectors, written row by row."""

import pathlib

import numpy as np

from clickwright.schemas.errors import DataError
from clickwright.schemas.item_table import VectorColumn
from clickwright.schemas.model_input import Storage

_LARGEST_INT8 = 127


class MatrixFile:
    """A matrix on disk in a storage format, zeros where nothing is put.

    float16 rounds. int8 has a scale a row, the row's largest magnitude by 127: a value
    is its integer times the scale, and at most half a scale off.

    Args:
        folder: the table's.
        name: the feature.
        rows: rows of the table.
        width: values of a vector.
        storage: number format.
    """

    def __init__(
        self, folder: pathlib.Path, name: str, rows: int, width: int, storage: Storage
    ) -> None:
        self._name = name
        self._width = width
        self._storage = storage
        self._error = 0.0
        # Of a file of holes: rows that are not written take no space on the disk.
        self._matrix = np.lib.format.open_memmap(
            folder / f"{name}.npy", "w+", np.dtype(storage), (rows, width)
        )
        self._scales: np.memmap | None = None
        if storage == "int8":
            self._scales = np.lib.format.open_memmap(
                folder / f"{name}.scale.npy", "w+", np.dtype("float32"), (rows,)
            )
        self.filled = 0
        """Rows put."""

    def put(self, rows: np.ndarray, vectors: np.ndarray) -> None:
        """Writes vectors, float32 `[n, width]`, into the rows of their entities.

        Raises:
            DataError: a value is beyond the range of float16.
        """
        if not len(rows):
            return
        if self._scales is not None:
            scales = np.abs(vectors).max(axis=1) / np.float32(_LARGEST_INT8)
            divisors = np.where(scales > 0, scales, 1.0)[:, None]
            stored = np.rint(vectors / divisors).astype(np.int8)
            restored = stored * scales[:, None]
            self._scales[rows] = scales
        else:
            with np.errstate(over="ignore"):
                stored = vectors.astype(self._storage)
            restored = stored.astype(np.float32)
            if not np.isfinite(restored).all():
                raise DataError(
                    f"float16 holds numbers up to 65,504. Received: "
                    f"{np.abs(vectors).max():g}.",
                    where=f"vectors of the feature `{self._name}`",
                    fix="scale the vectors, or choose `storage: float32` or `int8`",
                )
        self._matrix[rows] = stored
        if self._storage != "float32":
            self._error = max(self._error, float(np.abs(restored - vectors).max()))
        self.filled += len(rows)

    def close(self, known: int) -> VectorColumn:
        """Flushes the files; returns what the manifest says of them.

        Args:
            known: entities that the item data describe.
        """
        self._matrix.flush()
        if self._scales is not None:
            self._scales.flush()
        return VectorColumn(
            width=self._width,
            storage=self._storage,
            missing=known - self.filled,
            error=self._error,
        )
