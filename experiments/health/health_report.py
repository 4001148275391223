"""What all checks of an experiment found."""

from typing import Self

import pydantic

from clickwright.experiments.health.check import Check
from clickwright.schemas.strict_yaml import StrictModel


class HealthReport(StrictModel):
    """The checks, and whether the effects can be trusted."""

    checks: tuple[Check, ...]
    trusted: bool
    """Whether no check failed."""

    @classmethod
    def of(cls, checks: tuple[Check, ...]) -> Self:
        """Trusts what no check speaks against."""
        return cls(checks=checks, trusted=all(c.status != "fail" for c in checks))

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that take the trust away."""
        return tuple(check for check in self.checks if check.status == "fail")

    @pydantic.model_validator(mode="after")
    def _no_trust_against_a_check(self) -> Self:
        if self.trusted == bool(self.failures):
            raise ValueError("`trusted` must say whether no check failed")
        return self
