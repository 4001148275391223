"""Parameters of every model that embeds its inputs."""

from typing import Annotated, ClassVar

from pydantic import Field

from clickwright.models.ctr.table_params import TableParams
from clickwright.models.value_range import Space


class EmbeddingParams(TableParams):
    """One embedding a feature value."""

    embedding_dim: Annotated[int, Field(ge=1, le=4096)] = 10
    """Values an embedding has."""
    l2: Annotated[float, Field(ge=0.0)] = 0.05
    """Adds `l2 / 2` times the squared norm of every row of every table to the loss."""
    embedding_stddev: Annotated[float, Field(gt=0.0)] = 1e-4
    """Standard deviation of the tables at the start (FuxiCTR's default)."""

    SPACE: ClassVar[Space] = {
        "embedding_dim": (8, 16, 32, 64),
        "l2": (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1),
    }

    @property
    def table_width(self) -> int:
        """One embedding."""
        return self.embedding_dim

    @property
    def layer_width(self) -> int:
        """One embedding: first-order weights have a layer, and counts, of their own."""
        return self.embedding_dim
