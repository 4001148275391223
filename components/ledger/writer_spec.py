"""Names and types of LedgerWriter's channels and parameters."""

from typing import Any, ClassVar

from tfx.types import standard_artifacts
from tfx.types.component_spec import (
    ChannelParameter,
    ComponentSpec,
    ExecutionParameter,
)

from clickwright.components.inspection.artifacts import AutoDisReport
from clickwright.components.ledger.reader_spec import (
    CONFIG_KEY,
    LEDGER_KEY,
    NAME_KEY,
    PREPARED_KEY,
)
from clickwright.components.source.artifacts import PreparedData

STATISTICS_KEY = "statistics"
MODEL_KEY = "model"
MODEL_BLESSING_KEY = "model_blessing"
INFRA_BLESSING_KEY = "infra_blessing"
REPORT_KEY = "report"
KEEP_KEY = "keep"


class LedgerWriterSpec(ComponentSpec):
    """What a run made in, nothing out; `keep` entries stay."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        LEDGER_KEY: ExecutionParameter(type=str),
        NAME_KEY: ExecutionParameter(type=str),
        CONFIG_KEY: ExecutionParameter(type=str),
        KEEP_KEY: ExecutionParameter(type=int),
    }
    INPUTS: ClassVar[dict[str, Any]] = {
        PREPARED_KEY: ChannelParameter(type=PreparedData),
        STATISTICS_KEY: ChannelParameter(type=standard_artifacts.ExampleStatistics),
        MODEL_KEY: ChannelParameter(type=standard_artifacts.Model),
        MODEL_BLESSING_KEY: ChannelParameter(type=standard_artifacts.ModelBlessing),
        INFRA_BLESSING_KEY: ChannelParameter(
            type=standard_artifacts.InfraBlessing, optional=True
        ),
        REPORT_KEY: ChannelParameter(type=AutoDisReport, optional=True),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {}
