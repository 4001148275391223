"""Parameters of DCNv3."""

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from clickwright.models.ctr.embedding_params import EmbeddingParams
from clickwright.models.ctr.tower_params import Rate
from clickwright.models.value_range import Space, ValueRange


class DCNv3Params(EmbeddingParams):
    """Parameters of DCNv3.

    There are no published runs on Frappe. Embeddings and penalty are those of the
    Frappe_x1 entries of the BARS benchmark; layers, norms and dropout those of the
    authors' MovieLens run (salmon1802/DCNv3), the nearest in size.
    """

    heads: Annotated[int, Field(ge=1, le=256)] = 1
    """Parts that embeddings are cut into; the networks treat them alike and average
    their logits. Twice as many must divide `embedding_dim`. The authors count the width
    of one part: their 4 heads of 16 are `embedding_dim: 64`."""
    exponential_layers: Annotated[int, Field(ge=1, le=32)] = 3
    """Layers of the exponential cross network."""
    linear_layers: Annotated[int, Field(ge=1, le=32)] = 4
    """Layers of the linear cross network."""
    batch_norm: bool = True
    """Whether projections are batch-normalized, by head."""
    layer_norm: bool = True
    """Whether masks see layer-normalized projections."""
    exponential_dropout: Rate = 0.1
    """Share of an exponential layer's output dropped in training."""
    linear_dropout: Rate = 0.1
    """Share of a linear layer's output dropped in training."""

    SPACE: ClassVar[Space] = {
        "heads": (1, 2),
        "exponential_layers": ValueRange(min=1, max=5),
        "linear_layers": ValueRange(min=1, max=5),
        "exponential_dropout": ValueRange(min=0.0, max=0.4),
        "linear_dropout": ValueRange(min=0.0, max=0.4),
    }

    @model_validator(mode="after")
    def _halves_divide(self) -> "DCNv3Params":
        if self.embedding_dim % (2 * self.heads):
            raise ValueError(
                f"twice the `heads` ({self.heads}) must divide `embedding_dim` "
                f"({self.embedding_dim})"
            )
        return self
