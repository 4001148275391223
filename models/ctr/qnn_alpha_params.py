"""Parameters of QNN-alpha."""

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from clickwright.models.ctr.embedding_params import EmbeddingParams
from clickwright.models.ctr.tower_params import Rate
from clickwright.models.value_range import Space, ValueRange


class QNNAlphaParams(EmbeddingParams):
    """Parameters of QNN-alpha.

    Defaults are those of the authors' Frappe run (salmon1802/QNN), which keeps values
    that occur at least twice and has batches of 4,096 rows.
    """

    embedding_dim: Annotated[int, Field(ge=1, le=4096)] = 16
    """Values an embedding has."""
    l2: Annotated[float, Field(ge=0.0)] = 0.1
    """Adds `l2 / 2` times the squared norm of every row of every table to the loss."""
    layers: Annotated[int, Field(ge=1, le=32)] = 2
    """Khatri-Rao product layers, one on the other."""
    rows: Annotated[int, Field(ge=1, le=256)] = 13
    """Projections that a head of a layer sums."""
    heads: Annotated[int, Field(ge=1, le=256)] = 1
    """Heads of a layer; they must divide `embedding_dim`."""
    batch_norm: bool = True
    """Whether the projections are batch-normalized."""
    dropout: Rate = 0.1
    """Share of a layer's projections, and of its output, dropped in training."""
    align_heads: bool = False
    """Whether products are added to the coordinates they came from; with several heads
    published results do not. A model keeps the choice that it was trained with."""

    SPACE: ClassVar[Space] = {
        "layers": ValueRange(min=1, max=4),
        "rows": ValueRange(min=4, max=16),
        "heads": (1, 2, 4),
        "dropout": ValueRange(min=0.0, max=0.4),
    }

    @model_validator(mode="after")
    def _heads_divide(self) -> "QNNAlphaParams":
        if self.embedding_dim % self.heads:
            raise ValueError(
                f"`heads` ({self.heads}) must divide `embedding_dim` "
                f"({self.embedding_dim})"
            )
        return self
