"""Parameters of xDeepFM."""

from typing import Annotated, ClassVar

from pydantic import Field

from clickwright.models.ctr.tower_params import TowerParams, Width
from clickwright.models.value_range import Space


class XDeepFMParams(TowerParams):
    """Parameters of xDeepFM; without `hidden_units` it is a linear term and the CIN.

    Defaults are those of the Frappe_x1 entry of the BARS benchmark (reczoo/BARS,
    `ranking/ctr/xDeepFM/xDeepFM_frappe_x1`).
    """

    l2: Annotated[float, Field(ge=0.0)] = 0.1
    """Adds `l2 / 2` times the squared norm of every row of every table to the loss."""
    cin_units: Annotated[tuple[Width, ...], Field(min_length=1)] = (64,)
    """Feature maps of the layers of the compressed interaction network."""

    SPACE: ClassVar[Space] = {
        "cin_units": ((16, 16), (64,), (64, 64), (128, 128)),
    }

    @property
    def table_width(self) -> int:
        """One embedding and one first-order weight."""
        return self.embedding_dim + 1
