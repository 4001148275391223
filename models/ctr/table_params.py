"""Parameters of every model that keeps rows of tables."""

import math
from typing import Annotated

from pydantic import Field

from clickwright.models.layers.multi_hash import MultiHash
from clickwright.models.layers.quotient_remainder import QuotientRemainder
from clickwright.models.params import ModelParams

Compression = Annotated[QuotientRemainder | MultiHash, Field(discriminator="kind")]
"""A way to keep large tables in fewer rows, chosen by `kind`."""


class TableParams(ModelParams):
    """What becomes of large tables and of rare ids; published settings use neither."""

    compression: Compression | None = None
    """Keeps large tables in fewer rows, such as `{kind: quotient_remainder}`."""
    min_frequency: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Ids that training has seen fewer times share one row; 0 gives every id its own.

    Meant for hashed and identity ids: learned vocabularies have `min_count`.
    """

    def kept_rows(self, rows: int) -> int:
        """Adds the row of the rare ids, then compresses."""
        rows += self.min_frequency > 0
        if self.compression is not None and self.compression.shrinks(rows):
            return self.compression.kept_rows(rows)
        return rows

    def state_bytes(self, rows: int) -> int:
        """An int32 count an id, in every layer that looks ids up."""
        layers = math.ceil(self.table_width / self.layer_width)
        return 4 * rows * layers if self.min_frequency else 0

    @property
    def layer_width(self) -> int:
        """Floats that one layer keeps for each row."""
        return self.table_width
