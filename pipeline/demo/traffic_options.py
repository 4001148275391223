"""How much the simulated shoppers ask for."""

from typing import Annotated

from pydantic import Field

from clickwright.schemas.marketplace.simulator import PAGE
from clickwright.schemas.strict_yaml import StrictModel


class TrafficOptions(StrictModel):
    """Size of the simulated traffic."""

    page_views: Annotated[int, Field(ge=100, le=1_000_000)] = 6_000
    """Requests, spread over the days of the experiment."""
    candidates: Annotated[int, Field(ge=PAGE, le=1_000)] = 20
    """Items that are ranked for a page; the first of them are shown."""
    seed: Annotated[int, Field(ge=0)] = 7
    """The same seed brings the same users at the same times to the same candidates."""
