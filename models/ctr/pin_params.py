"""Parameters of the product-network in network."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from clickwright.models.ctr.tower_params import Rate, TowerParams, Width


class PINParams(TowerParams):
    """Parameters of PIN.

    The pairs' networks default to those of the authors' code. BARS has no figures of
    PIN: embeddings, tower and regularization default to those of IPNN on Frappe_x1,
    the nearest model there (also in its early stop of 3).
    """

    batch_norm: bool = False
    """Whether the tower is batch-normalized."""
    layer_norm: bool = False
    """Whether the tower is layer-normalized; not together with `batch_norm`."""
    dropout: Rate = 0.3
    """Share of the tower's activations dropped in training."""
    pair_units: Annotated[tuple[Width, ...], Field(min_length=1)] = (20, 1)
    """Widths of the layers of each pair's network."""
    pair_layer_norm: bool = True
    """Whether the layers of the pairs' networks are normalized, all pairs together."""
    product: bool = True
    """Whether the pairs' networks see the product of the two embeddings."""
    wide: bool = False
    """Whether a first-order term is added to the logit."""

    @model_validator(mode="after")
    def _one_norm(self) -> Self:
        if self.batch_norm and self.layer_norm:
            raise ValueError("set at most one of batch_norm and layer_norm")
        return self

    @property
    def table_width(self) -> int:
        """One embedding, and one first-order weight with `wide`."""
        return self.embedding_dim + self.wide
