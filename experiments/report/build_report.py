"""From the logs of an experiment to its report."""

import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from clickwright.experiments.decision.decision import Decision
from clickwright.experiments.report.ab_report import AbReport
from clickwright.schemas.experiment import Experiment

if TYPE_CHECKING:
    from clickwright.experiments.events.event_store import EventStore


def build_report(
    experiment: Experiment,
    exposures: "EventStore",
    outcomes: "EventStore",
    *,
    at: datetime.datetime | None = None,
    lineage: Mapping[str, Mapping[str, str]] | None = None,
    decisions: Sequence[Decision] = (),
    true_lifts: Mapping[str, Mapping[str, float]] | None = None,
) -> AbReport:
    """Joins the logs, checks them, compares the arms and says what came of it.

    Args:
        experiment: the definition.
        exposures: the exposure log.
        outcomes: the outcome log.
        at: what is later is left out; now by default.
        lineage: by arm, what is known of its model: name of a fact and the fact.
        decisions: what was decided so far, oldest first.
        true_lifts: by metric and arm, the true relative lift where a simulator
            knows it.

    Returns:
        The report.

    Raises:
        DataError: a log cannot be read.
    """
    raise NotImplementedError
