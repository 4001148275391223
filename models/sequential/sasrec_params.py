"""Parameters of SASRec."""

from typing import ClassVar

from clickwright.models.sequential.next_item_params import (
    NextItemParams,
    Share,
    Size,
)
from clickwright.models.value_range import Space, ValueRange


class SASRecParams(NextItemParams):
    """Parameters of SASRec.

    Defaults are those of the authors' code (kang205/SASRec, `main.py`), which trains
    with Adam, learning rate 1e-3 and beta2 0.98, and batches of 128, on the 50 latest
    events; on ml-1m on 200, with a dropout of 0.2.
    """

    embedding_dim: Size = 50
    """Width of items and states."""
    blocks: Size = 2
    """Self-attention blocks."""
    heads: Size = 1
    """Heads of each; a divisor of `embedding_dim`."""
    dropout: Share = 0.5
    """Share dropped, of embeddings, attention weights and dense layers."""

    SPACE: ClassVar[Space] = {
        "blocks": ValueRange(min=1, max=3),
        "heads": (1, 2, 4),
        "dropout": ValueRange(min=0.0, max=0.6),
    }
