"""Parameters of SIM."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clickwright.models.sequential.long_params import LongParams
from clickwright.models.value_range import Space, ValueRange


class SIMParams(LongParams):
    """Parameters of SIM; defaults are those of FuxiCTR's model class."""

    search: Literal["soft", "hard"] = "soft"
    """How items are found: by a learned product, or by the target's category."""
    top: Annotated[int, Field(ge=1, le=100_000)] = 50
    """Items found."""
    auxiliary_weight: Annotated[float, Field(ge=0.0)] = 1.0
    """Factor of the soft search's own cross-entropy."""
    category: str | None = None
    """Input that the hard search compares, of which the history has a side sequence;
    the first one with a side sequence when left out."""

    SPACE: ClassVar[Space] = {
        "auxiliary_weight": ValueRange(min=0.0, max=1.0),
    }
