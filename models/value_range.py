"""What a search may try for a parameter."""

import json
from collections.abc import Mapping
from typing import Any, Self, TypeAlias

import pydantic

from clickwright.schemas.strict_yaml import StrictModel


class ValueRange(StrictModel):
    """Numbers from `min` to `max`; whole ones where the parameter takes no others."""

    min: float
    """The least value."""
    max: float
    """The largest."""
    log: bool = False
    """Whether values are spread evenly over magnitudes, as learning rates are."""

    @pydantic.model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min >= self.max:
            raise ValueError(f"`min` ({self.min:g}) must be below `max` ({self.max:g})")
        if self.log and self.min <= 0:
            raise ValueError(f"`min` ({self.min:g}) must be above 0 with `log`")
        return self


Dimension: TypeAlias = ValueRange | tuple[Any, ...]
"""A range, or the values to choose from."""
Space: TypeAlias = Mapping[str, Dimension | None]
"""What to try, by parameter; None: nothing but the value that it has."""


def in_words(dimension: Dimension | None) -> str:
    """What to try, in few words; empty for nothing."""
    if dimension is None:
        return ""
    if isinstance(dimension, ValueRange):
        evenly = " by magnitude" if dimension.log else ""
        return f"{dimension.min:g} to {dimension.max:g}{evenly}"
    return ", ".join(map(json.dumps, dimension))


def declared_space(params: type[StrictModel]) -> dict[str, Dimension]:
    """What is worth trying for parameters, as their class and its bases declare it.

    A class declares a `SPACE` of its own; what it says of a parameter comes before what
    its bases say.

    Args:
        params: a class of parameters.
    """
    space: dict[str, Dimension | None] = {}
    for base in reversed(params.__mro__):
        space |= vars(base).get("SPACE", {})
    return {
        name: dimension for name, dimension in space.items() if dimension is not None
    }
