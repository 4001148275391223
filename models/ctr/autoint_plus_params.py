"""Parameters of AutoInt+."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from clickwright.models.ctr.tower_params import Rate, TowerParams, Width
from clickwright.models.value_range import Space, ValueRange


class AutoIntPlusParams(TowerParams):
    """Parameters of AutoInt+; without `hidden_units` it is AutoInt.

    Defaults are those of the Frappe_x1 entry of the BARS benchmark (reczoo/BARS,
    `ranking/ctr/AutoInt/AutoInt+_frappe_x1`).
    """

    l2: Annotated[float, Field(ge=0.0)] = 0.1
    """Adds `l2 / 2` times the squared norm of every row of every table to the loss."""
    dropout: Rate = 0.1
    """Share of the tower's activations and of the attention weights dropped."""
    attention_layers: Annotated[int, Field(ge=1, le=64)] = 5
    """Layers of self-attention."""
    attention_dim: Width = 128
    """Width of a field after a layer, of all heads together."""
    heads: Annotated[int, Field(ge=1, le=1024)] = 4
    """Heads of a layer; they share `attention_dim` evenly."""
    use_residual: bool = True
    """Whether a layer adds its input to its output."""
    use_scale: bool = True
    """Whether scores are divided by the root of a head's width."""
    layer_norm: bool = True
    """Whether a layer normalizes its output before the activation."""
    wide: bool = False
    """Whether a first-order term is added."""

    SPACE: ClassVar[Space] = {
        "attention_layers": ValueRange(min=1, max=5),
        "attention_dim": (32, 64, 128),
        "heads": (1, 2, 4),
    }

    @model_validator(mode="after")
    def _heads_share_evenly(self) -> Self:
        if self.attention_dim % self.heads:
            raise ValueError(
                f"`attention_dim` ({self.attention_dim}) must be a multiple of "
                f"`heads` ({self.heads})"
            )
        return self

    @property
    def table_width(self) -> int:
        """One embedding, and one first-order weight with `wide`."""
        return self.embedding_dim + int(self.wide)
