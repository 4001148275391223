"""What the parameters of all next-item models have in common."""

from typing import Annotated, ClassVar

from pydantic import Field

from clickwright.models.params import ModelParams
from clickwright.models.value_range import Space

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
"""Share of values that is dropped."""
Size = Annotated[int, Field(ge=1, le=65_536)]
"""A width, or a number of layers or heads."""


class NextItemParams(ModelParams):
    """One table of items, read by the history and, mostly, by the scores too."""

    embedding_dim: Size = 64
    """Values of an item's vector."""

    SPACE: ClassVar[Space] = {
        "embedding_dim": (32, 64, 128),
    }

    @property
    def table_width(self) -> int:
        """One embedding."""
        return self.embedding_dim
