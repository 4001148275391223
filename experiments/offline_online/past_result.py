"""One arm of a past experiment: what was promised, and what came."""

from typing import Literal

import pydantic
from pydantic import Field

from clickwright.schemas.strict_yaml import StrictModel


class PastResult(StrictModel):
    """An arm against control; differences are the arm's minus control's."""

    experiment: str
    model: str
    arm: str
    at: pydantic.AwareDatetime
    """When it was measured."""
    metric: str
    """The primary metric."""
    direction: Literal["increase", "decrease"]
    """Where a better arm moves it."""
    trusted: bool
    """Whether the health checks passed; else the lift counts for nothing."""
    offline: dict[str, float] = Field(default_factory=dict)
    """Difference of `auc`, `gauc` and `ne` on test data; those known of both arms."""
    off_policy_lift: float | None = None
    """Relative lift over the logging policy that the off-policy estimate promised."""
    off_policy_lift_low: float | None = None
    off_policy_lift_high: float | None = None
    lift: float | None = None
    """Measured relative lift of the primary metric, with its fixed-horizon interval."""
    lift_low: float | None = None
    lift_high: float | None = None

    def promised(self, predictor: str) -> float | None:
        """What a predictor promised, positive where it speaks for the arm."""
        if predictor == "off_policy":
            return self.off_policy_lift
        value = self.offline.get(predictor)
        if value is None:
            return None
        return -value if predictor == "ne" else value

    @property
    def gain(self) -> float | None:
        """The measured lift, positive where the arm is better; None if untrusted."""
        if self.lift is None or not self.trusted:
            return None
        return self.lift if self.direction == "increase" else -self.lift
