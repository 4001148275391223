"""Parameters of GDCN."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clickwright.models.ctr.tower_params import Rate, TowerParams
from clickwright.models.value_range import Space, ValueRange


class GDCNParams(TowerParams):
    """Parameters of GDCN; without `hidden_units` it is the cross network alone.

    No Frappe_x1 settings are published: defaults are DCNv2's (reczoo/BARS,
    `ranking/ctr/DCNv2/DCNv2_frappe_x1`).
    """

    dropout: Rate = 0.4
    """Share of the tower's activations dropped in training."""
    structure: Literal["parallel", "stacked"] = "parallel"
    """Whether the tower stands beside the cross network (GDCN-P) or on it (GDCN-S)."""
    cross_layers: Annotated[int, Field(ge=1, le=64)] = 4
    """Gated cross layers; each raises the order of the crosses by one."""

    SPACE: ClassVar[Space] = {
        "structure": ("parallel", "stacked"),
        "cross_layers": ValueRange(min=1, max=6),
    }
