"""Names and types of what the evaluator takes and gives."""

from typing import Any, ClassVar

from tfx.types import standard_artifacts
from tfx.types.component_spec import (
    ChannelParameter,
    ComponentSpec,
    ExecutionParameter,
)
from tfx.types.system_executions import Evaluate

EXAMPLES_KEY = "examples"
MODEL_KEY = "model"
BASELINE_MODEL_KEY = "baseline_model"
EVALUATION_KEY = "evaluation"
BLESSING_KEY = "blessing"

FEATURE_SPEC_KEY = "feature_spec"
THRESHOLDS_KEY = "thresholds"
ABLATIONS_KEY = "ablations"


class ModelEvaluatorSpec(ComponentSpec):
    """Channels as in TFX's Evaluator; the spec and the thresholds as JSON, and whether
    ablations are scored, 0 or 1."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        FEATURE_SPEC_KEY: ExecutionParameter(type=str),
        THRESHOLDS_KEY: ExecutionParameter(type=str),
        ABLATIONS_KEY: ExecutionParameter(type=int),
    }
    INPUTS: ClassVar[dict[str, Any]] = {
        EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples),
        MODEL_KEY: ChannelParameter(type=standard_artifacts.Model),
        BASELINE_MODEL_KEY: ChannelParameter(
            type=standard_artifacts.Model, optional=True
        ),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {
        EVALUATION_KEY: ChannelParameter(type=standard_artifacts.ModelEvaluation),
        BLESSING_KEY: ChannelParameter(type=standard_artifacts.ModelBlessing),
    }
    TYPE_ANNOTATION = Evaluate
