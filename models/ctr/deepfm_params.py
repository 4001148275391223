"""Parameters of DeepFM."""

from typing import Annotated, Literal

from pydantic import Field

from clickwright.models.params import ModelParams


class DeepFMParams(ModelParams):
    """Parameters of DeepFM with a dense tower (DeepFM-D).

    Defaults are those of the Frappe_x1 entry of the BARS benchmark (reczoo/BARS,
    `ranking/ctr/DeepFM/DeepFM_frappe_x1`), unless a field says otherwise.
    """

    embedding_dim: Annotated[int, Field(ge=1, le=4096)] = 10
    """Values an embedding has."""
    hidden_units: tuple[Annotated[int, Field(ge=1, le=65_536)], ...] = (400, 400, 400)
    """Widths of the tower's layers."""
    activation: Literal["relu", "gelu", "silu", "tanh", "linear"] = "relu"
    """Activation of the tower."""
    batch_norm: bool = True
    """Whether the tower is batch-normalized."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.2
    """Share of the tower's activations dropped in training."""
    l2: Annotated[float, Field(ge=0.0)] = 0.05
    """Adds `l2 / 2` times the squared norm of every row of both tables to the loss."""
    embedding_stddev: Annotated[float, Field(gt=0.0)] = 1e-4
    """Standard deviation of both tables at the start (FuxiCTR's default)."""

    @property
    def table_width(self) -> int:
        """One embedding and one first-order weight."""
        return self.embedding_dim + 1
