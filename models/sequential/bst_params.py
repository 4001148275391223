"""Parameters of BST."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clickwright.models.ctr.tower_params import Rate, Width
from clickwright.models.sequential.sequence_params import SequenceParams
from clickwright.models.value_range import Space, ValueRange


class BSTParams(SequenceParams):
    """Parameters of BST.

    Heads, block and pooling are those of the AmazonElectronics_x1 entry of the BARS
    benchmark; embeddings and tower are as in DIN.
    """

    embedding_dim: Annotated[int, Field(ge=1, le=4096)] = 64
    """Values an embedding has, and a position."""
    l2: Annotated[float, Field(ge=0.0)] = 1e-6
    """Adds `l2 / 2` times the squared norm of every row of every table to the loss."""
    hidden_units: tuple[Width, ...] = (1024, 512, 256)
    """Widths of the tower's layers."""
    dropout: Rate = 0.1
    """Share of the tower's activations dropped in training."""
    blocks: Annotated[int, Field(ge=1, le=16)] = 1
    """Transformer blocks on the history and the target."""
    heads: Annotated[int, Field(ge=1, le=64)] = 8
    """Heads of the attention; they divide the width of an item and its position."""
    block_dropout: Rate = 0.0
    """Share of the blocks' activations dropped in training."""
    position: Literal["index", "age"] = "index"
    """What a position says: the event's place, counted from the latest, or its age at
    the request, as the paper has it, for which the history needs `times`."""
    pooling: Literal["target", "mean", "sum", "concat"] = "target"
    """What the tower reads of the blocks' output: the target's token, the mean or sum
    of the tokens that are not padding, or all of them."""

    SPACE: ClassVar[Space] = {
        "blocks": ValueRange(min=1, max=3),
        "block_dropout": ValueRange(min=0.0, max=0.4),
    }
