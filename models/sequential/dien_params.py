"""Parameters of DIEN."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clickwright.models.ctr.tower_params import Rate, Width
from clickwright.models.sequential.sequence_params import SequenceParams
from clickwright.models.value_range import Space, ValueRange


class DIENParams(SequenceParams):
    """Parameters of DIEN.

    Embeddings and tower are as in DIN; published runs of both share them. The loss of
    the next behaviour has the weight and the network of the authors' code
    (mouna99/dien).
    """

    embedding_dim: Annotated[int, Field(ge=1, le=4096)] = 64
    """Values an embedding has."""
    l2: Annotated[float, Field(ge=0.0)] = 1e-6
    """Adds `l2 / 2` times the squared norm of every row of every table to the loss."""
    hidden_units: tuple[Width, ...] = (1024, 512, 256)
    """Widths of the tower's layers."""
    dropout: Rate = 0.1
    """Share of the tower's activations dropped in training."""
    state_units: Width | None = None
    """Width of the recurrent states; as wide as an item when absent."""
    augru: Literal["paper", "official"] = "paper"
    """How attention bends the update gate: as the paper says, or as the authors' code
    does, where an event without attention is not ignored."""
    sum_pooling: bool = False
    """Whether the tower also reads the sum of the history, and its product with the
    target, as in the authors' code."""
    auxiliary_weight: Annotated[float, Field(ge=0.0)] = 1.0
    """Factor of the loss of the next behaviour in training; 0 leaves it out, as the
    runs of the BARS benchmark do."""
    auxiliary_units: tuple[Width, ...] = (100, 50)
    """Widths of the network of that loss."""

    SPACE: ClassVar[Space] = {
        "auxiliary_weight": ValueRange(min=0.0, max=1.0),
    }
