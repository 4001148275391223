"""Parameters of BERT4Rec."""

from typing import Annotated, ClassVar

from pydantic import Field

from clickwright.models.sequential.next_item_params import (
    NextItemParams,
    Share,
    Size,
)
from clickwright.models.value_range import Space, ValueRange


class BERT4RecParams(NextItemParams):
    """Parameters of BERT4Rec.

    Defaults are those of the authors' files for beauty (FeiSun/BERT4Rec,
    `run_beauty.sh`, `bert_config_beauty_64.json`), which train 400,000 steps on the 50
    latest events, in batches of 256, with AdamW, learning rate 1e-4, weight decay
    0.01, clipped to a norm of 5, after 100 steps of warm-up. For ml-1m: 200 events,
    `mask_share` 0.2, `dropout` 0.2.
    """

    embedding_dim: Size = 64
    """Width of items and states."""
    blocks: Size = 2
    """Blocks of the encoder."""
    heads: Size = 2
    """Heads of each; a divisor of `embedding_dim`."""
    inner: Size = 256
    """Width of their dense networks."""
    dropout: Share = 0.5
    """Share of the embeddings, and of what residuals add, that is dropped."""
    attention_dropout: Share = 0.2
    """Share of the attention weights that is dropped."""
    mask_share: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.6
    """Share of a history's items that is masked."""
    last_share: Annotated[float, Field(ge=0.0, le=1.0)] = 1 / 11
    """Share of the rows of which the last item alone is masked: the authors make ten
    copies of a history with items masked at random, and one such."""

    SPACE: ClassVar[Space] = {
        "blocks": ValueRange(min=1, max=3),
        "heads": (1, 2, 4),
        "dropout": ValueRange(min=0.0, max=0.6),
        "mask_share": ValueRange(min=0.15, max=0.6),
    }

    @property
    def table_width(self) -> int:
        """An embedding and a bias."""
        return self.embedding_dim + 1
