"""Parameters of TWIN."""

from typing import Annotated

from pydantic import Field

from clickwright.models.sequential.long_params import LongParams


class TWINParams(LongParams):
    """Parameters of TWIN; defaults are those of FuxiCTR's model class."""

    top: Annotated[int, Field(ge=1, le=100_000)] = 50
    """Items that a head of the long attention attends to."""
