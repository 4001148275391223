"""What an experiment found, as one record."""

import pydantic

from clickwright.experiments.decision.decision import Decision
from clickwright.experiments.health.health_report import HealthReport
from clickwright.experiments.report.arm_record import ArmRecord
from clickwright.experiments.report.known_truth import KnownTruth
from clickwright.experiments.report.shadow_record import ShadowRecord
from clickwright.experiments.report.verdict import Verdict
from clickwright.experiments.statistics.cumulative_point import CumulativePoint
from clickwright.experiments.statistics.day_effect import DayEffect
from clickwright.experiments.statistics.effect import Effect
from clickwright.experiments.statistics.slice_effect import SliceEffect
from clickwright.schemas.experiment import Experiment
from clickwright.schemas.strict_yaml import StrictModel


class AbReport(StrictModel):
    """Everything that the page shows and that a decision stands on."""

    format: int = 1
    experiment: Experiment
    at: pydantic.AwareDatetime
    """When the logs were read; what happened later is not in here."""
    first_at: pydantic.AwareDatetime | None
    """The first exposure; None without any."""
    last_at: pydantic.AwareDatetime | None
    exposures: int
    verdict: Verdict = Verdict()
    health: HealthReport
    arms: tuple[ArmRecord, ...]
    """In the definition's order."""
    shadow: ShadowRecord | None = None
    """The arm that gets copies of requests, where the definition names one."""
    effects: tuple[Effect, ...]
    """One a metric and arm that is not the control."""
    cumulative: tuple[CumulativePoint, ...] = ()
    """The effects as they stood after each day."""
    slices: tuple[SliceEffect, ...] = ()
    """The primary metric within parts of the units."""
    novelty: tuple[DayEffect, ...] = ()
    """The primary metric by day since a unit's first exposure."""
    decisions: tuple[Decision, ...] = ()
    """The journal, oldest first."""
    truth: tuple[KnownTruth, ...] = ()

    def primary(self) -> tuple[Effect, ...]:
        """The effects on the primary metric, one an arm."""
        return tuple(effect for effect in self.effects if effect.role == "primary")
