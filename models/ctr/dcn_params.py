"""Parameters of DCN."""

from typing import Annotated, ClassVar

from pydantic import Field

from clickwright.models.ctr.tower_params import TowerParams
from clickwright.models.value_range import Space, ValueRange


class DCNParams(TowerParams):
    """Parameters of DCN; without `hidden_units` it is the cross network alone.

    Defaults are those of the Frappe_x1 entry of the BARS benchmark (reczoo/BARS,
    `ranking/ctr/DCN/DCN_frappe_x1`).
    """

    cross_layers: Annotated[int, Field(ge=1, le=64)] = 3
    """Cross layers; each raises the order of the crosses by one."""

    SPACE: ClassVar[Space] = {
        "cross_layers": ValueRange(min=1, max=6),
    }
