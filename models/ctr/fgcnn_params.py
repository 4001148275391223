"""Parameters of feature generation by a convolutional network."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from clickwright.models.ctr.ipnn_params import IPNNParams
from clickwright.models.ctr.tower_params import Width
from clickwright.models.value_range import Space, ValueRange


def _odd(height: int) -> int:
    if height % 2 == 0:
        raise ValueError("must be odd")
    return height


class FGCNNParams(IPNNParams):
    """Parameters of FGCNN.

    BARS has no figures of FGCNN on Frappe_x1. Embeddings, tower and regularization
    default to those of IPNN there (also in its early stop of 3), the convolutions to
    the first two levels of four that BARS uses on KKBox: ten fields are too few to be
    halved four times.
    """

    channels: tuple[Width, ...] = (14, 16)
    """Filters of each level; without levels the model is IPNN."""
    kernel_height: Annotated[int, Field(ge=1, le=255), AfterValidator(_odd)] = 7
    """Neighbouring fields that a filter sees; odd."""
    pooling: Annotated[int, Field(ge=1, le=255)] = 2
    """Rows of a level that become one."""
    new_maps: Annotated[int, Field(ge=1, le=255)] = 3
    """New fields that each pooled row of a level gives."""
    conv_batch_norm: bool = True
    """Whether convolutions are batch-normalized."""
    share_embedding: bool = False
    """Whether fields are generated from the tower's embeddings, not their own."""

    SPACE: ClassVar[Space] = {
        "new_maps": ValueRange(min=1, max=4),
    }

    @property
    def table_width(self) -> int:
        """Two embeddings, or one where one is enough."""
        one = self.share_embedding or not self.channels
        return self.embedding_dim * (1 if one else 2)

    @property
    def layer_width(self) -> int:
        """All: both embeddings lie in one row."""
        return self.table_width
