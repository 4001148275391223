"""What a model must reach to be blessed."""

from typing import Annotated, Self

import pydantic
from pydantic import Field

from clickwright.schemas.strict_yaml import StrictModel


class Bounds(StrictModel):
    """Between which values a metric of the test split must lie."""

    min: float | None = None
    max: float | None = None

    @pydantic.model_validator(mode="after")
    def _some_rule(self) -> Self:
        if not self.model_dump(exclude_none=True):
            rules = ", ".join(f"`{name}`" for name in type(self).model_fields)
            raise ValueError(f"give at least one of {rules}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"`min` must not exceed `max` ({self.min} > {self.max})")
        return self


class HigherIsBetter(Bounds):
    """Bounds, and how far below the blessed model the metric may lie."""

    max_drop: Annotated[float, Field(ge=0.0)] | None = None
    """Absolute, on the same rows; without a blessed model it is not looked at."""


class LowerIsBetter(Bounds):
    """Bounds, and how far above the blessed model the metric may lie."""

    max_rise: Annotated[float, Field(ge=0.0)] | None = None
    """Absolute, on the same rows; without a blessed model it is not looked at."""


class Thresholds(StrictModel):
    """Rules by metric; a metric that is not a number breaks any rule.

    With no rule at all nothing is blessed: that a model was never judged must not look
    like praise.
    """

    auc: HigherIsBetter | None = None
    gauc: HigherIsBetter | None = None
    logloss: LowerIsBetter | None = None
    ne: LowerIsBetter | None = None
    ece: LowerIsBetter | None = None
    pcoc: Bounds | None = None
    """1 is best, from both sides; so there is no drop or rise to speak of."""
    rows: Bounds | None = None

    def rules(self) -> dict[str, Bounds]:
        """Returns the rules that were given, by metric."""
        return {name: rule for name, rule in self if rule is not None}

    @property
    def compares(self) -> bool:
        """Whether a rule compares with the blessed model."""
        return any(change_of(rule) is not None for rule in self.rules().values())


def change_of(rule: Bounds) -> float | None:
    """The change against the blessed model that is just allowed, with its sign."""
    match rule:
        case HigherIsBetter(max_drop=float(drop)):
            return -drop
        case LowerIsBetter(max_rise=float(rise)):
            return rise
    return None
