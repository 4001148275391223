"""Parameters of SDIM."""

from typing import Annotated, ClassVar

from pydantic import Field

from clickwright.models.sequential.long_params import LongParams
from clickwright.models.value_range import Space, ValueRange


class SDIMParams(LongParams):
    """Parameters of SDIM; defaults are those of FuxiCTR, hashes of its configuration."""

    hashes: Annotated[int, Field(ge=1, le=256)] = 2
    """Hashes whose buckets are averaged."""
    hash_bits: Annotated[int, Field(ge=1, le=16)] = 4
    """Bits of a hash, which has `2^bits` buckets."""
    l2_norm: bool = False
    """Whether each bucket's sum is brought to length 1."""
    hash_seed: Annotated[int, Field(ge=0)] = 0
    """Of what hashes; the same in every training of a configuration."""

    SPACE: ClassVar[Space] = {
        "hashes": (2, 4, 8),
        "hash_bits": ValueRange(min=2, max=5),
    }
