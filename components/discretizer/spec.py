"""Names and types of the Discretizer's channels and parameters."""

from typing import Any, ClassVar

from tfx.types import standard_artifacts
from tfx.types.component_spec import (
    ChannelParameter,
    ComponentSpec,
    ExecutionParameter,
)
from tfx.types.system_executions import Transform

from clickwright.components.discretizer.artifacts import DiscretizationPlan

EXAMPLES_KEY = "examples"
STATISTICS_KEY = "statistics"
SCHEMA_KEY = "schema"
BASE_MODEL_KEY = "base_model"
PLAN_KEY = "plan"
FEATURE_SPEC_KEY = "feature_spec"


class DiscretizerSpec(ComponentSpec):
    """Examples, their statistics and schema in, a plan out; the spec as JSON."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        FEATURE_SPEC_KEY: ExecutionParameter(type=str)
    }
    INPUTS: ClassVar[dict[str, Any]] = {
        EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples),
        STATISTICS_KEY: ChannelParameter(type=standard_artifacts.ExampleStatistics),
        SCHEMA_KEY: ChannelParameter(type=standard_artifacts.Schema),
        BASE_MODEL_KEY: ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {
        PLAN_KEY: ChannelParameter(type=DiscretizationPlan)
    }
    TYPE_ANNOTATION = Transform
