"""Names and types of the DataValidator's channels and parameters."""

from typing import Any, ClassVar

from tfx.types import standard_artifacts
from tfx.types.component_spec import (
    ChannelParameter,
    ComponentSpec,
    ExecutionParameter,
)

STATISTICS_KEY = "statistics"
SCHEMA_KEY = "schema"
BASELINE_STATISTICS_KEY = "baseline_statistics"
ANOMALIES_KEY = "anomalies"
SOURCE_KEY = "source"


class DataValidatorSpec(ComponentSpec):
    """Statistics and schema in, anomalies out; the baseline may be empty."""

    PARAMETERS: ClassVar[dict[str, Any]] = {SOURCE_KEY: ExecutionParameter(type=str)}
    INPUTS: ClassVar[dict[str, Any]] = {
        STATISTICS_KEY: ChannelParameter(type=standard_artifacts.ExampleStatistics),
        SCHEMA_KEY: ChannelParameter(type=standard_artifacts.Schema),
        BASELINE_STATISTICS_KEY: ChannelParameter(
            type=standard_artifacts.ExampleStatistics, optional=True
        ),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {
        ANOMALIES_KEY: ChannelParameter(type=standard_artifacts.ExampleAnomalies)
    }
