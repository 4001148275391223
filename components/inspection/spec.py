"""Names and types of the NumericInspector's channels and parameters."""

from typing import Any, ClassVar

from tfx.types import standard_artifacts
from tfx.types.component_spec import (
    ChannelParameter,
    ComponentSpec,
    ExecutionParameter,
)

from clickwright.components.discretizer.artifacts import DiscretizationPlan
from clickwright.components.inspection.artifacts import AutoDisReport

EXAMPLES_KEY = "examples"
PLAN_KEY = "plan"
MODEL_KEY = "model"
MODEL_RUN_KEY = "model_run"
PREVIOUS_REPORT_KEY = "previous_report"
REPORT_KEY = "report"
FEATURE_SPEC_KEY = "feature_spec"


class NumericInspectorSpec(ComponentSpec):
    """Rows, plan and model in, the report out; the report before may be absent."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        FEATURE_SPEC_KEY: ExecutionParameter(type=str)
    }
    INPUTS: ClassVar[dict[str, Any]] = {
        EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples),
        PLAN_KEY: ChannelParameter(type=DiscretizationPlan),
        MODEL_KEY: ChannelParameter(type=standard_artifacts.Model),
        MODEL_RUN_KEY: ChannelParameter(type=standard_artifacts.ModelRun),
        PREVIOUS_REPORT_KEY: ChannelParameter(type=AutoDisReport, optional=True),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {
        REPORT_KEY: ChannelParameter(type=AutoDisReport)
    }
