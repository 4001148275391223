"""Parameters of GRU4Rec."""

from typing import Annotated, ClassVar, Literal

import pydantic
from pydantic import Field

from clickwright.models.sequential.next_item_params import (
    NextItemParams,
    Share,
    Size,
)
from clickwright.models.value_range import Space, ValueRange


class GRU4RecParams(NextItemParams):
    """Parameters of GRU4Rec.

    Defaults are those of the authors' file for rsc15 with cross-entropy
    (hidasib/GRU4Rec_PyTorch_Official, `paramfiles`), which trains with Adagrad,
    learning rate 0.2, momentum 0.2 and batches of 32. Their other files:

    * yoochoose: 480 units, batch 48, `dropout` 0.2, learning rate 0.07, no momentum,
      `alpha` 0.2;
    * diginetica: `loss` bpr_max, 512 units, batch 128, `embedding_dropout` 0.5,
      `dropout` 0.3, learning rate 0.05, momentum 0.15, `alpha` 0.3, `bpreg` 0.9,
      `elu` 1;
    * retailrocket: `loss` bpr_max, 224 units, batch 80, `embedding_dropout` 0.5,
      `dropout` 0.05, learning rate 0.05, momentum 0.4, `alpha` 0.4, `bpreg` 1.95,
      `elu` 0.5.
    """

    embedding_dim: Size = 100
    """Width of items, and of the last GRU layer."""
    units: tuple[Size, ...] = (100,)
    """Widths of the GRU layers; the last is `embedding_dim`."""
    dropout: Share = 0.4
    """Share of each GRU layer's outputs that is dropped."""
    embedding_dropout: Share = 0.0
    """Share of the embeddings that is dropped."""
    loss: Literal["cross_entropy", "bpr_max"] = "cross_entropy"
    """What is minimized."""
    negatives: Annotated[int, Field(ge=0, le=1_000_000)] = 2048
    """Items drawn for each batch, beside the next items of its other rows."""
    alpha: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    """They are drawn with a probability of `count^alpha`."""
    logq: Annotated[float, Field(ge=0.0, le=1.0)] = 1.0
    """Share of the correction for that in `cross_entropy`."""
    remove_hits: bool = False
    """Whether a negative that is the next item itself is left out; published runs
    leave it in."""
    bpreg: Annotated[float, Field(ge=0.0)] = 1.0
    """Regularization of `bpr_max`."""
    elu: Annotated[float, Field(ge=0.0)] = 0.5
    """The ELU that scores pass in `bpr_max`; 0 for none."""

    SPACE: ClassVar[Space] = {
        # The last of `units` must be as wide: to search it, name both.
        "embedding_dim": None,
        "dropout": ValueRange(min=0.0, max=0.6),
        "embedding_dropout": ValueRange(min=0.0, max=0.6),
    }

    @pydantic.model_validator(mode="after")
    def _ends_in_the_width_of_items(self) -> "GRU4RecParams":
        if not self.units or self.units[-1] != self.embedding_dim:
            raise ValueError(
                f"the last of `units` must be `embedding_dim`, {self.embedding_dim}; "
                f"got {list(self.units)}"
            )
        return self

    @property
    def table_width(self) -> int:
        """An embedding and a bias."""
        return self.embedding_dim + 1
