"""Parameters of S3Rec."""

from typing import Annotated, ClassVar

from pydantic import Field

from clickwright.models.sequential.next_item_params import (
    NextItemParams,
    Share,
    Size,
)
from clickwright.models.value_range import Space, ValueRange

Weight = Annotated[float, Field(ge=0.0)]
"""Weight of a loss."""


class S3RecParams(NextItemParams):
    """Parameters of S3Rec.

    Defaults are those of the authors' code (RUCAIBox/CIKM2020-S3Rec), which trains
    with Adam, learning rate 1e-3, on the 50 latest events: 300 epochs in batches of
    100 before, then up to 200 epochs in batches of 256.
    """

    embedding_dim: Size = 64
    """Width of items and states."""
    blocks: Size = 2
    """Blocks of the encoder."""
    heads: Size = 2
    """Heads of each; a divisor of `embedding_dim`."""
    dropout: Share = 0.5
    """Share of the embeddings, and of what residuals add, that is dropped."""
    attention_dropout: Share = 0.5
    """Share of the attention weights that is dropped."""
    pretraining: bool = True
    """Whether there is a stage before; without it, the model is what the authors'
    tables call SASRec."""
    mask_share: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """Share of the items that is masked before; the last one always is."""
    aap_weight: Weight = 0.2
    """Weight of telling the attributes of items that are shown."""
    mip_weight: Weight = 1.0
    """Weight of telling masked items from others."""
    map_weight: Weight = 1.0
    """Weight of telling the attributes of masked items."""
    sp_weight: Weight = 0.5
    """Weight of telling a masked segment from one of another history."""

    SPACE: ClassVar[Space] = {
        "blocks": ValueRange(min=1, max=3),
        "heads": (1, 2, 4),
        "dropout": ValueRange(min=0.0, max=0.6),
        "attention_dropout": ValueRange(min=0.0, max=0.6),
    }
