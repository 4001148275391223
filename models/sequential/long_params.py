"""Parameters of every model of a long history."""

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from clickwright.models.ctr.tower_params import Rate, Width
from clickwright.models.sequential.sequence_params import SequenceParams
from clickwright.models.value_range import Space, ValueRange


class LongParams(SequenceParams):
    """A short and a long part of a history, and a tower over both.

    Defaults are those of FuxiCTR's model classes (model_zoo/LongCTR at 0245987), and
    two heads as in its configurations.
    """

    l2: Annotated[float, Field(ge=0.0)] = 0.0
    """Adds `l2 / 2` times the squared norm of every row of every table to the loss."""
    hidden_units: tuple[Width, ...] = (512, 128, 64)
    """Widths of the tower's layers."""
    batch_norm: bool = False
    """Whether the tower is batch-normalized."""
    dropout: Rate = 0.0
    """Share of the tower's activations dropped in training."""
    short_length: Annotated[int, Field(ge=1, le=100_000)] = 50
    """Latest items of the short part."""
    attention_dim: Annotated[int, Field(ge=1, le=4096)] = 64
    """Width of queries, keys and values, of all heads together."""
    heads: Annotated[int, Field(ge=1, le=64)] = 2
    """Attention heads."""
    attention_dropout: Rate = 0.0
    """Share of the attention weights dropped in training."""

    SPACE: ClassVar[Space] = {
        "attention_dim": (32, 64, 128),
        "heads": (1, 2, 4),
        "attention_dropout": ValueRange(min=0.0, max=0.4),
    }

    @model_validator(mode="after")
    def _heads_divide(self) -> "LongParams":
        if self.attention_dim % self.heads:
            raise ValueError(
                f"`attention_dim` {self.attention_dim} must be a multiple of `heads` "
                f"{self.heads}"
            )
        return self
