"""What was decided about an experiment, and on which numbers."""

from typing import Literal

import pydantic

from clickwright.schemas.strict_yaml import StrictModel

Action = Literal["start", "continue", "alert", "rollback", "promote", "stop"]

Fields = dict[str, float | int | str | bool | None]
Numbers = dict[str, Fields]


class Decision(StrictModel):
    """One decision: a line of the journal."""

    at: pydantic.AwareDatetime
    experiment: str
    """Id of the experiment."""
    action: Action
    """`alert` is a `rollback` that the definition leaves to a person."""
    reason: str
    """One sentence or two for people."""
    by: Literal["rule", "person"] = "rule"
    arm: str | None = None
    """The arm that is taken back or promoted."""
    numbers: Numbers = pydantic.Field(default_factory=dict)
    """What the decision stood on: a mapping for each metric and arm (`ctr of
    treatment`), one for `health` and one for the `rule`. None: not known."""
    done: tuple[str, ...] = ()
    """What it changed: labels, traffic. The journal has a decision that changes
    something twice: as intended, with nothing here, and as done."""
