"""Whether the numbers of an experiment can be trusted."""

import pyarrow as pa

from clickwright.experiments.health.health_report import HealthReport
from clickwright.experiments.health.join_checks import join_checks
from clickwright.experiments.health.sample_ratio import sample_ratio_checks
from clickwright.experiments.health.traffic_checks import traffic_checks
from clickwright.experiments.health.unit_checks import unit_checks
from clickwright.experiments.join_report import JoinReport
from clickwright.schemas.experiment import Experiment


def health(
    units: pa.Table, traffic: pa.Table, joined: JoinReport, experiment: Experiment
) -> HealthReport:
    """Checks the units, the exposures and the join, before any effect is read.

    Args:
        units: one row a unit, as `unit_table` makes it.
        traffic: exposures by arm and version, as `traffic` counts them.
        joined: what the join of exposures and outcomes left out.
        experiment: the definition.
    """
    return HealthReport.of(
        (
            *sample_ratio_checks(units, experiment),
            *join_checks(joined),
            *unit_checks(units, experiment),
            *traffic_checks(traffic, experiment),
        )
    )
