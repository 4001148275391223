"""Parameters of DCNv2."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clickwright.models.ctr.tower_params import Rate, TowerParams
from clickwright.models.value_range import Space, ValueRange


class DCNv2Params(TowerParams):
    """Parameters of DCNv2; without `hidden_units` it is the cross network alone.

    Defaults are those of the Frappe_x1 entry of the BARS benchmark (reczoo/BARS,
    `ranking/ctr/DCNv2/DCNv2_frappe_x1`).
    """

    dropout: Rate = 0.4
    """Share of the towers' activations dropped in training."""
    structure: Literal["parallel", "stacked", "both"] = "parallel"
    """Whether a tower stands beside the cross network, on it, or one at each place."""
    cross_layers: Annotated[int, Field(ge=1, le=64)] = 4
    """Cross layers; each raises the order of the crosses by one."""
    low_rank: Annotated[int, Field(ge=1, le=65_536)] | None = None
    """Rank of the experts whose mixture is a layer's matrix; None for full matrices."""
    experts: Annotated[int, Field(ge=1, le=64)] = 4
    """Experts a layer, where `low_rank` is set."""

    SPACE: ClassVar[Space] = {
        "structure": ("parallel", "stacked"),
        "cross_layers": ValueRange(min=1, max=6),
    }
