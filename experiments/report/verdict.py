"""What an experiment says so far, in one sentence."""

from typing import Literal

from clickwright.schemas.strict_yaml import StrictModel


class Verdict(StrictModel):
    """The first words of a report."""

    outcome: Literal[
        "untrusted", "harm", "better", "worse", "no difference", "running"
    ] = "running"
    """`harm`: a guardrail is breached. `untrusted`: a health check failed. `better`,
    `worse`: the primary metric has moved for sure. `no difference`: the time is over
    without that. `running`: it is not over."""
    arm: str | None = None
    """The arm that it is about; None where it is about none."""
    headline: str = "Not judged yet"
    sentence: str = ""
    reasons: tuple[str, ...] = ()
    """Why it is not trusted: the checks that failed."""
