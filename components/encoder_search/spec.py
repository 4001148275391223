"""Names and types of the EncoderSearch's channels and parameters."""

from typing import Any, ClassVar

from tfx.types import standard_artifacts
from tfx.types.component_spec import (
    ChannelParameter,
    ComponentSpec,
    ExecutionParameter,
)

from clickwright.components.discretizer.artifacts import DiscretizationPlan

EXAMPLES_KEY = "examples"
TRANSFORM_GRAPH_KEY = "transform_graph"
RULES_KEY = "rules"
GIVEN_KEY = "given"
PLAN_KEY = "plan"
HYPERPARAMETERS_KEY = "hyperparameters"

SPEC_KEY = "spec"
MODEL_KEY = "model"
TRAINING_KEY = "training"
SEARCH_KEY = "search"
CHECKPOINT_DIR_KEY = "checkpoint_dir"


class EncoderSearchSpec(ComponentSpec):
    """Transformed rows and the plan of the rules in, a plan with searched encoders out.

    `spec`, `model`, `training` and `search` are JSON. The hyperparameters that are
    `given` are handed on with the plan.
    """

    PARAMETERS: ClassVar[dict[str, Any]] = {
        SPEC_KEY: ExecutionParameter(type=str),
        MODEL_KEY: ExecutionParameter(type=str),
        TRAINING_KEY: ExecutionParameter(type=str),
        SEARCH_KEY: ExecutionParameter(type=str),
        CHECKPOINT_DIR_KEY: ExecutionParameter(type=str, optional=True),
    }
    INPUTS: ClassVar[dict[str, Any]] = {
        EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples),
        TRANSFORM_GRAPH_KEY: ChannelParameter(type=standard_artifacts.TransformGraph),
        RULES_KEY: ChannelParameter(type=DiscretizationPlan),
        GIVEN_KEY: ChannelParameter(
            type=standard_artifacts.HyperParameters, optional=True
        ),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {
        PLAN_KEY: ChannelParameter(type=DiscretizationPlan),
        HYPERPARAMETERS_KEY: ChannelParameter(type=standard_artifacts.HyperParameters),
    }
