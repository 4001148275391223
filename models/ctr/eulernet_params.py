"""Parameters of EulerNet."""

from typing import Annotated, ClassVar

from pydantic import Field

from clickwright.models.ctr.embedding_params import EmbeddingParams
from clickwright.models.ctr.tower_params import Rate, Width
from clickwright.models.value_range import Space, ValueRange


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

    SPACE: ClassVar[Space] = {
        "neurons": ((10,), (20,), (40,), (20, 20)),
        "explicit_dropout": ValueRange(min=0.0, max=0.4),
        "implicit_dropout": ValueRange(min=0.0, max=0.4),
    }
