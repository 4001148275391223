"""What an experiment says so far, in one sentence."""

from typing import Literal

from clickwright.schemas.strict_yaml import StrictModel


class Verdict(StrictModel):
    """The first words of a report."""

    outcome: Literal["untrusted", "harm", "better", "worse", "no difference", "running"]
    """`untrusted`: a health check failed. `harm`: a guardrail is breached. `better`,
    `worse`: the primary metric has moved for sure. `no difference`: the experiment has
    ended without that. `running`: it has not."""
    arm: str | None = None
    """The arm that it is about; None where it is about none."""
    headline: str
    sentence: str
    reasons: tuple[str, ...] = ()
