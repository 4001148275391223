"""Logged choices of one policy, seen from another one."""

import dataclasses
from typing import Any

import numpy as np

from clickwright.schemas.errors import DataError

Floats = np.ndarray[Any, np.dtype[np.float64]]
Codes = np.ndarray[Any, np.dtype[np.int64]]

_SUM_TOLERANCE = 1e-6


@dataclasses.dataclass(frozen=True)
class BanditLog:
    """N choices that were logged, with what came of them.

    Attributes:
        reward: [N] what the choice earned.
        propensity: [N] probability with which it was made, above 0 and at most 1.
        target: [N] probability with which the new policy makes the same choice.
        unit: [N] code of the unit; the choices of a unit depend on each other and are
            drawn together. None: each choice stands for itself.
        predicted: [N] what a reward model expects of the logged choice. None: there is
            no model, and nothing that stands on one is estimated.
        predicted_target: [N] what it expects of the new policy, the mean over its
            choices.
        unsupported: mean probability that the new policy gives to choices that are
            nowhere in the log.
    """

    reward: Floats
    propensity: Floats
    target: Floats
    unit: Codes | None = None
    predicted: Floats | None = None
    predicted_target: Floats | None = None
    unsupported: float = 0.0

    @property
    def weight(self) -> Floats:
        """[N] how much likelier the new policy is to make the choice."""
        return self.target / self.propensity

    def check(self, where: str) -> None:
        """Refuses numbers that no policy can have logged.

        Args:
            where: names the log in every message.

        Raises:
            DataError: the log is empty, its columns differ in length, or a value breaks
                its rule.
        """
        rows = len(self.reward)
        if not rows:
            raise DataError("The log is empty.", where=where, fix="give a log of rows")
        if (self.predicted is None) != (self.predicted_target is None):
            raise ValueError("a reward model predicts the logged and the new choices")
        rules = {
            "reward": (-np.inf, np.inf, "a number"),
            "propensity": (0.0, 1.0, "above 0 and at most 1"),
            "target": (0.0, 1.0 + _SUM_TOLERANCE, "from 0 to 1"),
            "unit": (-np.inf, np.inf, "a code"),
            "predicted": (-np.inf, np.inf, "a number"),
            "predicted_target": (-np.inf, np.inf, "a number"),
        }
        for name, (low, high, rule) in rules.items():
            values = getattr(self, name)
            if values is None:
                continue
            if values.shape != (rows,):
                raise ValueError(f"`{name}` must be [{rows}], not {values.shape}")
            good = np.isfinite(values) & (values >= low) & (values <= high)
            if name == "propensity":
                good &= values > 0
            if not good.all():
                row = int(np.argmin(good))
                raise DataError(
                    f"`{name}` must be {rule}. Received: {values[row]} in row {row + 1}"
                    f" ({int((~good).sum())} such rows).",
                    where=where,
                    fix="log the probability of the choice that was made, and each "
                    "reward as a number",
                )
