"""Parameters of FiBiNET."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clickwright.models.ctr.tower_params import Rate, TowerParams
from clickwright.models.value_range import Space, ValueRange


class FiBiNETParams(TowerParams):
    """Parameters of FiBiNET.

    Defaults are those of the Frappe_x1 entry of the BARS benchmark (reczoo/BARS,
    `ranking/ctr/FiBiNET/FiBiNET_frappe_x1`).
    """

    dropout: Rate = 0.3
    """Share of the tower's activations dropped in training."""
    bilinear: Literal["all", "each", "interaction"] = "all"
    """Whether all pairs, those of one left field, or none share a matrix."""
    share_bilinear: bool = True
    """Whether weighted embeddings meet the same matrices as plain ones, as in the
    published run (FuxiCTR v1); FuxiCTR v2 has matrices for each."""
    reduction_ratio: Annotated[float, Field(gt=0.0)] = 2.0
    """How many times narrower than the fields the middle of the SENet is."""

    SPACE: ClassVar[Space] = {
        "bilinear": ("all", "each", "interaction"),
        "reduction_ratio": ValueRange(min=1.0, max=4.0),
    }

    @property
    def table_width(self) -> int:
        """One embedding and one first-order weight."""
        return self.embedding_dim + 1
