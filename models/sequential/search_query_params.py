"""Parameters of the search-query model."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from clickwright.models.ctr.tower_params import Rate, Width
from clickwright.models.sequential.sequence_params import SequenceParams
from clickwright.models.value_range import Space, ValueRange

Factor = Annotated[float, Field(ge=0.0)]


class SearchQueryParams(SequenceParams):
    """Parameters of the search-query model.

    The authors' are not known; these are ours to start from.
    """

    embedding_dim: Annotated[int, Field(ge=1, le=4096)] = 32
    """Values an embedding has, and a query's state."""
    base: Literal["din", "dcnv2"] = "din"
    """The click model that queries are added to."""
    attention_units: Annotated[tuple[Width, ...], Field(min_length=1)] = (80, 40)
    """Widths of the layers by which `din` weighs an item of the history."""
    cross_layers: Annotated[int, Field(ge=1, le=64)] = 4
    """Cross layers of `dcnv2`."""
    blocks: Annotated[int, Field(ge=1, le=16)] = 1
    """Blocks of the encoder of queries."""
    heads: Annotated[int, Field(ge=1, le=64)] = 2
    """Attention heads, in the encoder and of the target over the queries."""
    query_dropout: Rate = 0.0
    """Share of the encoder's values dropped in training."""
    next_item_weight: Factor = 0.1
    """Factor of telling the clicked item by the last query's state."""
    contrast_weight: Factor = 0.1
    """Factor of the contrast of queries and items."""
    diffusion_weight: Factor = 1.0
    """Factor of the error of the diffusion, which makes positives of the queries
    without a click; 0 leaves those out of the contrast."""
    temperature: Annotated[float, Field(gt=0.0)] = 0.1
    """Divides the cosines of the contrast."""
    diffusion_steps: Annotated[int, Field(ge=1, le=1000)] = 50
    """Steps of the diffusion."""
    diffusion_jumps: Annotated[int, Field(ge=1, le=1000)] = 5
    """Steps back from a query to an item."""

    SPACE: ClassVar[Space] = {
        "blocks": ValueRange(min=1, max=2),
        "heads": (1, 2, 4),
        "query_dropout": ValueRange(min=0.0, max=0.4),
        "next_item_weight": ValueRange(min=0.0, max=0.5),
        "contrast_weight": ValueRange(min=0.0, max=0.5),
        "temperature": ValueRange(min=0.05, max=0.5, log=True),
    }

    @model_validator(mode="after")
    def _sizes(self) -> "SearchQueryParams":
        if self.embedding_dim % self.heads:
            raise ValueError(
                f"`embedding_dim` {self.embedding_dim} must be a multiple of `heads` "
                f"{self.heads}"
            )
        if self.diffusion_jumps > self.diffusion_steps:
            raise ValueError(
                f"`diffusion_jumps` {self.diffusion_jumps} must not exceed "
                f"`diffusion_steps` {self.diffusion_steps}"
            )
        return self
