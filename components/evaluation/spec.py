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
OFF_POLICY_KEY = "off_policy"
OFF_POLICY_LOG_KEY = "off_policy_log"


class ModelEvaluatorSpec(ComponentSpec):
    """Channels as in TFX's Evaluator; the spec, the thresholds and the off-policy gate
    as JSON, whether ablations are scored, 0 or 1, and the fingerprint of the gate's
    log."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        FEATURE_SPEC_KEY: ExecutionParameter(type=str),
        THRESHOLDS_KEY: ExecutionParameter(type=str),
        ABLATIONS_KEY: ExecutionParameter(type=int),
        OFF_POLICY_KEY: ExecutionParameter(type=str, optional=True),
        OFF_POLICY_LOG_KEY: ExecutionParameter(type=str, optional=True),
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
