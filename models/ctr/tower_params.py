"""Parameters of every model that has a dense tower."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clickwright.models.ctr.embedding_params import EmbeddingParams
from clickwright.models.value_range import Space, ValueRange

Width = Annotated[int, Field(ge=1, le=65_536)]
"""Width of a dense layer."""
Rate = Annotated[float, Field(ge=0.0, lt=1.0)]
"""Share of activations that is dropped."""
Activation = Literal["relu", "gelu", "silu", "tanh", "sigmoid", "linear"]
"""Activation of a dense layer."""


class TowerParams(EmbeddingParams):
    """Embeddings and a tower of dense layers."""

    hidden_units: tuple[Width, ...] = (400, 400, 400)
    """Widths of the tower's layers."""
    activation: Activation = "relu"
    """Activation of the tower."""
    batch_norm: bool = True
    """Whether the tower is batch-normalized."""
    dropout: Rate = 0.2
    """Share of the tower's activations dropped in training."""

    SPACE: ClassVar[Space] = {
        "hidden_units": (
            (200, 200),
            (400, 400, 400),
            (512, 256, 128),
            (1024, 512, 256),
        ),
        "batch_norm": (False, True),
        "dropout": ValueRange(min=0.0, max=0.6),
    }
