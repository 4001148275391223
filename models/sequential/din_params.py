"""Parameters of DIN."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clickwright.models.ctr.tower_params import Activation, Rate, Width
from clickwright.models.sequential.sequence_params import SequenceParams
from clickwright.models.value_range import Space, ValueRange


class DINParams(SequenceParams):
    """Parameters of DIN.

    Defaults are those of the baseline of the MM-CTR challenge (reczoo/
    WWW2025_MMCTR_Challenge), which FuxiCTR's DIN is too: weights without a softmax.
    The authors' code (zhougr1993/DeepInterestNetwork) is `attention_units: [80, 40]`,
    `attention_activation: sigmoid`, `softmax: true`, `official_head: true`,
    `hidden_units: [80, 40]`, `activation: sigmoid`, `batch_norm: false`, `dropout: 0`.
    """

    embedding_dim: Annotated[int, Field(ge=1, le=4096)] = 64
    """Values an embedding has."""
    l2: Annotated[float, Field(ge=0.0)] = 1e-6
    """Adds `l2 / 2` times the squared norm of every row of every table to the loss."""
    hidden_units: tuple[Width, ...] = (1024, 512, 256)
    """Widths of the tower's layers."""
    dropout: Rate = 0.1
    """Share of the tower's activations dropped in training."""
    attention_units: Annotated[tuple[Width, ...], Field(min_length=1)] = (512, 256)
    """Widths of the layers that weigh an event."""
    attention_activation: Activation | Literal["dice"] = "relu"
    """Their activation."""
    attention_dropout: Rate = 0.1
    """Share of their activations dropped in training."""
    softmax: bool = False
    """Whether the weights of a history are made to sum to 1."""
    official_head: bool = False
    """As in the authors' code: the interest is batch-normalized and projected, the
    tower's input batch-normalized, and every item has a bias of its own."""

    SPACE: ClassVar[Space] = {
        "attention_units": ((64,), (80, 40), (512, 256)),
        "attention_dropout": ValueRange(min=0.0, max=0.4),
        "softmax": (False, True),
    }
