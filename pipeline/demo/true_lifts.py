"""What an experiment should find."""

import collections

import numpy as np
import numpy.typing as npt

from clickwright.pipeline.demo.online_shop import Visit
from clickwright.schemas.experiment import Experiment, GaucMetric, MeanMetric

_EXPECTED = {"click": "expected_clicks", "revenue": "expected_revenue"}


class TrueLifts:
    """Expected clicks and revenue of the same users under every arm.

    The expectation is over what the users draw on a page; which pages they have seen
    before, and so their histories, is one course of things a world.

    Args:
        experiment: the definition.
    """

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._sums: dict[tuple[str, str], float] = collections.defaultdict(float)

    def add(self, arm: str, visit: Visit, assigned: npt.NDArray[np.bool_]) -> None:
        """Adds an hour under one arm.

        Args:
            arm: the arm.
            visit: what came of the hour's page views under it.
            assigned: which users take part, `[requests]`.
        """
        for outcome, field in _EXPECTED.items():
            self._sums[arm, outcome] += float(getattr(visit, field)[assigned].sum())

    def lifts(self) -> dict[str, dict[str, float]]:
        """The relative lift of each arm over control, by metric and arm.

        It is known for metrics of clicks and revenue by user or exposure: the users and
        their exposures are the same under all arms.
        """
        control = self._experiment.control
        found = {}
        for metric in self._experiment.metrics:
            if isinstance(metric, GaucMetric):
                continue
            outcome = metric.columns[0]
            per = "exposures" if isinstance(metric, MeanMetric) else metric.denominator
            base = self._sums[control, outcome]
            if outcome in _EXPECTED and per == "exposures" and base > 0:
                found[metric.name] = {
                    arm: self._sums[arm, outcome] / base - 1
                    for arm in self._experiment.arms
                    if arm != control
                }
        return found
