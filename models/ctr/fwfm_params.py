"""Parameters of the field-weighted factorization machine."""

from typing import Annotated, Literal

from pydantic import Field

from clickwright.models.ctr.embedding_params import EmbeddingParams


class FwFMParams(EmbeddingParams):
    """Parameters of the field-weighted factorization machine.

    Defaults are those of the Frappe_x1 entry of the BARS benchmark (reczoo/BARS,
    `ranking/ctr/FwFM/FwFM_frappe_x1`).
    """

    l2: Annotated[float, Field(ge=0.0)] = 5e-6
    """Adds `l2 / 2` times the squared norm of every weight, biases excluded, to the
    loss."""
    linear: Literal["LW", "FeLV", "FiLV"] = "FeLV"
    """First-order term: a weight a feature value (`LW`), or the inner product of its
    embedding with a vector a feature value (`FeLV`) or a field (`FiLV`)."""

    @property
    def table_width(self) -> int:
        """One embedding, and what the first-order term keeps."""
        return (
            self.embedding_dim
            + {"LW": 1, "FeLV": self.embedding_dim, "FiLV": 0}[self.linear]
        )
