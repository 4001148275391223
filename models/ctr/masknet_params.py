"""Parameters of MaskNet."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clickwright.models.ctr.tower_params import Rate, TowerParams, Width
from clickwright.models.value_range import Space, ValueRange


class MaskNetParams(TowerParams):
    """Parameters of MaskNet.

    Defaults are those of the Frappe_x1 entry of the BARS benchmark (reczoo/BARS,
    `ranking/ctr/MaskNet/MaskNet_frappe_x1`).
    """

    hidden_units: Annotated[tuple[Width, ...], Field(min_length=1)] = (400, 400, 400)
    """Widths of the tower on the parallel blocks, or of the blocks in series."""
    l2: Annotated[float, Field(ge=0.0)] = 0.1
    """Adds `l2 / 2` times the squared norm of every row of every table to the loss."""
    batch_norm: bool = False
    """Whether the tower on the parallel blocks is batch-normalized."""
    dropout: Rate = 0.1
    """Share of the activations of blocks and tower dropped in training."""
    structure: Literal["parallel", "serial"] = "parallel"
    """Whether blocks stand side by side under a tower, or one on the other."""
    blocks: Annotated[int, Field(ge=1, le=1024)] = 3
    """Parallel blocks."""
    block_units: Width = 50
    """Width of a parallel block."""
    reduction_ratio: Annotated[float, Field(gt=0.0)] = 2.0
    """Width of a mask's middle, as a multiple of what is masked."""
    embedding_norm: bool = False
    """Whether the embeddings that are masked are layer-normalized, field by field."""
    block_norm: bool = True
    """Whether blocks are layer-normalized."""

    SPACE: ClassVar[Space] = {
        "structure": ("parallel", "serial"),
        "blocks": ValueRange(min=1, max=5),
        "block_units": (50, 100, 200),
        "reduction_ratio": ValueRange(min=1.0, max=4.0),
    }
