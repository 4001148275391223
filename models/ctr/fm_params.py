"""Parameters of the factorization machine."""

from typing import Annotated

from pydantic import Field

from clickwright.models.ctr.embedding_params import EmbeddingParams


class FMParams(EmbeddingParams):
    """Parameters of the factorization machine.

    Defaults are those of the Frappe_x1 entry of the BARS benchmark (reczoo/BARS,
    `ranking/ctr/FM/FM_frappe_x1`).
    """

    l2: Annotated[float, Field(ge=0.0)] = 5e-6
    """Adds `l2 / 2` times the squared norm of every row of every table to the loss."""

    @property
    def table_width(self) -> int:
        """One embedding and one first-order weight."""
        return self.embedding_dim + 1
