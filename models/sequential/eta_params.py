"""Parameters of ETA."""

from typing import Annotated

from pydantic import Field

from clickwright.models.sequential.long_params import LongParams


class ETAParams(LongParams):
    """Parameters of ETA; defaults are those of FuxiCTR's model class."""

    top: Annotated[int, Field(ge=1, le=100_000)] = 50
    """Items found."""
    hash_bits: Annotated[int, Field(ge=1, le=1024)] = 32
    """Length of a hash."""
    hash_seed: Annotated[int, Field(ge=0)] = 0
    """Of what hashes; the same in every training of a configuration."""
