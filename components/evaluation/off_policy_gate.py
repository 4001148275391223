"""What a model must earn on logged choices to be blessed."""

import hashlib
import pathlib
from collections.abc import Iterator
from typing import Annotated, Literal, Self

import pydantic
from pydantic import Field

from clickwright.experiments.off_policy.off_policy_options import OffPolicyOptions
from clickwright.experiments.off_policy.off_policy_report import OffPolicyReport
from clickwright.experiments.off_policy.score_policy import ScorePolicy
from clickwright.schemas.errors import DataError
from clickwright.schemas.strict_yaml import StrictModel


class OffPolicyGate(StrictModel):
    """A log of choices, the policy that the model would make, and the bounds.

    The log is Parquet with one row a candidate, in the columns of the feature spec and
    those named here. It should be younger than the training data, which know what it
    paid.
    """

    log: str
    """The file, relative to the run's configuration."""
    decision: str = "decision"
    """Column whose value candidates of one choice share."""
    chosen: str = "chosen"
    """Column that is true, or 1, for the candidate that was taken."""
    propensity: str = "propensity"
    """Column of the probability with which it was; other candidates need none."""
    reward: str = "reward"
    """Column of what it earned; other candidates need none."""
    unit: str | None = None
    """Column of the unit, whose choices depend on each other."""
    policy: ScorePolicy = ScorePolicy()
    estimator: Literal["ips", "snips", "clipped", "dr"] = "snips"
    """Which estimate is held against the bounds."""
    min: float | None = None
    """The interval of the model's value must not begin below this."""
    max_drop: Annotated[float, Field(ge=0.0)] | None = None
    """How far below the mean reward of the log it may begin; absolute."""
    options: OffPolicyOptions = OffPolicyOptions()

    @pydantic.model_validator(mode="after")
    def _some_rule(self) -> Self:
        if self.min is None and self.max_drop is None:
            raise ValueError("give at least one of `min` and `max_drop`")
        return self

    def resolved(self, folder: pathlib.Path) -> Self:
        """The same with the log's whole path."""
        return self.model_copy(update={"log": str((folder / self.log).resolve())})

    def fingerprint(self) -> str:
        """Changes whenever the log does.

        Raises:
            DataError: there is no such file.
        """
        try:
            stat = pathlib.Path(self.log).stat()
        except OSError as error:
            raise DataError(
                "There is no such log of choices.",
                where=self.log,
                fix="give its place as `evaluation.off_policy.log`, or leave "
                "`off_policy` out",
            ) from error
        content = f"{self.log}\0{stat.st_size}\0{stat.st_mtime_ns}".encode()
        return hashlib.sha256(content).hexdigest()[:16]

    def failures(self, report: OffPolicyReport) -> tuple[str, ...]:
        """Says which bounds are broken, one sentence each."""
        return tuple(self._failures(report))

    def _failures(self, report: OffPolicyReport) -> Iterator[str]:
        for refusal in report.refusals:
            yield f"off-policy: no estimate: {refusal}"
        found = report.estimate(self.estimator)
        if found is None:
            return
        name = f"off-policy {self.estimator} {found.value:.6g}"
        if self.min is not None and found.low < self.min:
            yield (
                f"{name} may be as low as {found.low:.6g}, below the floor "
                f"{self.min:.6g}"
            )
        if self.max_drop is not None and found.difference_low < -self.max_drop:
            yield (
                f"{name} may lie {-found.difference_low:.6g} below the "
                f"{report.logged:.6g} of the log; {self.max_drop:.6g} is allowed"
            )
