"""What is known of an entity: vectors and attributes, one row an id.

A table lies in a folder: `item_table.json`, the manifest; for each vector
`<name>.npy`, `[rows, width]` in its storage format, and with int8 `<name>.scale.npy`,
float32 `[rows]`; for each attribute `<name>.npy`, int32 `[rows, length]`, and its
vocabulary `<name>.values.json`. Row `r` belongs to id `r` of the entity's embedding
table: row 0 and the rows of unknown entities are zeros.
"""

import hashlib
import pathlib
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

import numpy as np
import pydantic
from pydantic import Field

from clickwright.schemas.errors import ConfigError, DataError
from clickwright.schemas.model_input import Storage
from clickwright.schemas.strict_yaml import StrictModel

FILE_NAME = "item_table.json"

Count = Annotated[int, Field(ge=0)]


class VectorColumn(StrictModel):
    """A matrix of the table."""

    width: Annotated[int, Field(ge=1)]
    storage: Storage
    missing: Count
    """Known entities whose vector is absent; their rows are zeros."""
    error: Annotated[float, Field(ge=0.0)] = 0.0
    """Largest difference that the storage format makes, in any value."""


class AttributeColumn(StrictModel):
    """Ids of a table, in a vocabulary of their own."""

    length: Annotated[int, Field(ge=1)]
    values: Count
    """Values in the vocabulary, which ids 1 .. `values` stand for."""
    missing: Count
    """Known entities without any value."""


class ItemTable(StrictModel):
    """The manifest of an item table."""

    version: Literal[1] = 1
    entity: str
    """The categorical feature whose ids the rows belong to."""
    vocabulary_digest: str
    """`vocabulary_digest` of that feature's values, most frequent first."""
    rows: Annotated[int, Field(ge=1)]
    known: Count
    """Values of the vocabulary that the item data describe."""
    absent: Count = 0
    """Values of the vocabulary that they do not; their rows are zeros."""
    unknown: Count
    """Rows of the item data whose entity is not in the vocabulary; left out."""
    vectors: dict[str, VectorColumn]
    attributes: dict[str, AttributeColumn]

    def write(self, folder: pathlib.Path) -> pathlib.Path:
        """Writes the manifest into `folder`, which holds the arrays already."""
        path = folder / FILE_NAME
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return path

    @classmethod
    def read(cls, folder: pathlib.Path) -> Self:
        """Reads the manifest of the table in `folder`.

        Raises:
            ConfigError: there is none, or it is not one.
        """
        path = folder / FILE_NAME
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, pydantic.ValidationError) as error:
            raise ConfigError(
                f"There is no readable item table: {error}.",
                where=str(path),
                fix="run the item table component again",
            ) from error

    def array(self, folder: pathlib.Path, name: str) -> np.ndarray[Any, Any]:
        """The array of a vector or attribute, mapped from its file.

        Raises:
            DataError: the file is absent or is not what the manifest says.
        """
        path = folder / f"{name}.npy"
        if name in self.attributes:
            return self._mapped(
                path, "int32", (self.rows, self.attributes[name].length)
            )
        column = self.vectors[name]
        return self._mapped(path, column.storage, (self.rows, column.width))

    def scales(self, folder: pathlib.Path, name: str) -> np.ndarray[Any, Any] | None:
        """The scale of each row of an int8 vector, float32 `[rows]`; else None.

        Raises:
            DataError: the file is absent or is not what the manifest says.
        """
        if self.vectors[name].storage != "int8":
            return None
        return self._mapped(folder / f"{name}.scale.npy", "float32", (self.rows,))

    def _mapped(
        self, path: pathlib.Path, dtype: str, shape: tuple[int, ...]
    ) -> np.ndarray[Any, Any]:
        try:
            found: np.ndarray[Any, Any] = np.load(
                path, mmap_mode="r", allow_pickle=False
            )
        except (OSError, ValueError) as error:
            raise DataError(
                f"A file of the item table cannot be read: {error}.",
                where=str(path),
                fix="run the item table component again",
            ) from error
        if (str(found.dtype), found.shape) != (dtype, shape):
            raise DataError(
                f"The file holds {found.dtype} {list(found.shape)}; the table's "
                f"manifest says {dtype} {list(shape)}.",
                where=str(path),
                fix="run the item table component again",
            )
        return found


def vocabulary_digest(values: Iterable[str]) -> str:
    """Digest of a vocabulary: its values in the order of their ids."""
    digest = hashlib.sha256()
    for value in values:
        digest.update(value.encode() + b"\0")
    return digest.hexdigest()
