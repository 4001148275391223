"""One thing that must hold before a result is believed."""

from typing import Literal

from clickwright.schemas.strict_yaml import StrictModel

Status = Literal["ok", "warn", "fail"]


class Check(StrictModel):
    """What was measured, against which rule, and what came of it."""

    name: str
    """Which check: `sample ratio`, `crossovers`, ..."""
    status: Status
    """`fail` takes the trust away from every effect; `warn` is for the reader."""
    value: float | None = None
    """What the rule was applied to; None where nothing could be measured."""
    rule: str
    """When the check fails or warns, in words."""
    text: str
    """What was found, in one sentence."""
