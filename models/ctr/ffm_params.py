"""Parameters of the field-aware factorization machine."""

from typing import Annotated, ClassVar

from pydantic import Field

from clickwright.models.ctr.embedding_params import EmbeddingParams
from clickwright.models.value_range import Space


class FFMParams(EmbeddingParams):
    """Parameters of the field-aware factorization machine.

    Defaults are those of the Frappe_x1 entry of the BARS benchmark (reczoo/BARS,
    `ranking/ctr/FFM/FFM_frappe_x1`).
    """

    embedding_dim: Annotated[int, Field(ge=1, le=4096)] = 10
    """Values that a feature value has for each of the other fields."""
    l2: Annotated[float, Field(ge=0.0)] = 1e-6
    """Adds `l2 / 2` times the squared norm of every row of every table to the loss."""

    SPACE: ClassVar[Space] = {
        "embedding_dim": (4, 8, 16),
    }

    @property
    def table_width(self) -> int:
        """One vector, of which there is one for each other field, and one weight."""
        return self.embedding_dim + 1

    def width_of(self, table: str, fields: int) -> int:
        """A vector for each of the other fields, and one weight."""
        return self.embedding_dim * (fields - 1) + 1
