"""Parameters of Wide&Deep."""

from typing import Annotated

from pydantic import Field

from clickwright.models.ctr.tower_params import Rate, TowerParams


class WideDeepParams(TowerParams):
    """Parameters of Wide&Deep.

    Defaults are those of the Frappe_x1 entry of the BARS benchmark (reczoo/BARS,
    `ranking/ctr/WideDeep/WideDeep_frappe_x1`).
    """

    l2: Annotated[float, Field(ge=0.0)] = 0.1
    """Adds `l2 / 2` times the squared norm of every row of every table to the loss."""
    dropout: Rate = 0.6
    """Share of the tower's activations dropped in training."""

    @property
    def table_width(self) -> int:
        """One embedding and one first-order weight."""
        return self.embedding_dim + 1
