"""Parameters of EulerNet."""

from typing import Annotated

from pydantic import Field

from clickwright.models.ctr.embedding_params import EmbeddingParams
from clickwright.models.ctr.tower_params import Rate, Width


class EulerNetParams(EmbeddingParams):
    """Parameters of EulerNet.

    There are no published runs on Frappe. Layers are those of FuxiCTR's template;
    embeddings and penalty those of the Frappe_x1 entries of the BARS benchmark.
    """

    neurons: Annotated[tuple[Width, ...], Field(min_length=1)] = (20,)
    """Interactions that each layer forms."""
    explicit_dropout: Rate = 0.0
    """Share of logarithms and phases dropped in training."""
    implicit_dropout: Rate = 0.0
    """Share of the dense parts' inputs dropped in training."""
    layer_norm: bool = True
    """Whether outputs of layers are layer-normalized."""
