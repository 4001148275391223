"""Names and types of LedgerReader's channels and parameters."""

from typing import Any, ClassVar

from tfx.types import standard_artifacts
from tfx.types.component_spec import (
    ChannelParameter,
    ComponentSpec,
    ExecutionParameter,
)

from clickwright.components.inspection.artifacts import AutoDisReport
from clickwright.components.source.artifacts import PreparedData

PREPARED_KEY = "prepared"
BASELINE_STATISTICS_KEY = "baseline_statistics"
PREVIOUS_REPORT_KEY = "previous_report"
BASELINE_MODEL_KEY = "baseline_model"
BASE_MODEL_KEY = "base_model"

LEDGER_KEY = "ledger"
NAME_KEY = "name"
CONFIG_KEY = "config"


class LedgerReaderSpec(ComponentSpec):
    """The data of this run in, what earlier runs left out.

    `ledger` is its address, `name` the pipeline, `config` the digest of the run's
    configuration and feature spec.
    """

    PARAMETERS: ClassVar[dict[str, Any]] = {
        LEDGER_KEY: ExecutionParameter(type=str),
        NAME_KEY: ExecutionParameter(type=str),
        CONFIG_KEY: ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, Any]] = {
        PREPARED_KEY: ChannelParameter(type=PreparedData)
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {
        BASELINE_STATISTICS_KEY: ChannelParameter(
            type=standard_artifacts.ExampleStatistics
        ),
        PREVIOUS_REPORT_KEY: ChannelParameter(type=AutoDisReport),
        BASELINE_MODEL_KEY: ChannelParameter(type=standard_artifacts.Model),
        BASE_MODEL_KEY: ChannelParameter(type=standard_artifacts.Model),
    }
