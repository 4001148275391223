"""Parameters of HSTU."""

from typing import Annotated, ClassVar

from pydantic import Field

from clickwright.models.sequential.next_item_params import (
    NextItemParams,
    Share,
    Size,
)
from clickwright.models.value_range import Space, ValueRange


class HSTUParams(NextItemParams):
    """Parameters of HSTU.

    Defaults are those of the authors' file for ml-1m
    (meta-recsys/generative-recommenders, `hstu-sampled-softmax-n128-final.gin`), which
    trains 101 epochs on the 200 latest events, in batches of 128, with AdamW, learning
    rate 1e-3, beta2 0.98, no weight decay. Its large model has 8 blocks, 2 heads and
    widths of 25; that for books 50 events, an `embedding_dim` of 64, 4 blocks, 4 heads,
    widths of 16, a dropout of 0.5 and 512 negatives.
    """

    embedding_dim: Size = 50
    """Width of items and states."""
    blocks: Size = 2
    """Blocks."""
    heads: Size = 1
    """Heads of each."""
    key_width: Size = 50
    """Values of a head's queries and keys."""
    value_width: Size = 50
    """Values of a head's gates and values."""
    dropout: Share = 0.2
    """Share dropped, of embeddings and of gated values."""
    times: bool = False
    """Whether attention depends on the time between events, as in the published runs;
    histories then need the feature `times`."""
    negatives: Annotated[int, Field(ge=1, le=65_536)] = 128
    """Negatives that each next item is told from."""
    shared_negatives: bool = False
    """Whether they are drawn once a batch; published runs draw them for each place,
    which costs far more memory and time."""
    temperature: Annotated[float, Field(gt=0.0)] = 0.05
    """Divides the cosines."""

    SPACE: ClassVar[Space] = {
        "blocks": ValueRange(min=1, max=4),
        "heads": (1, 2, 4),
        "dropout": ValueRange(min=0.0, max=0.6),
        "temperature": ValueRange(min=0.02, max=0.2, log=True),
    }
