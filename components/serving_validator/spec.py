"""Names and types of ServingValidator's channels and parameters."""

from typing import Any, ClassVar

from tfx.types import standard_artifacts
from tfx.types.component_spec import (
    ChannelParameter,
    ComponentSpec,
    ExecutionParameter,
)

MODEL_KEY = "model"
BASELINE_MODEL_KEY = "baseline_model"
MODEL_BLESSING_KEY = "model_blessing"
BLESSING_KEY = "blessing"

SIGNATURES_KEY = "signatures"
PARAMS_KEY = "params"

# Of `InfraBlessing`, as TFX's own InfraValidator has them.
BLESSED_PROPERTY = "blessed"
BLESSED_FILE = "INFRA_BLESSED"
NOT_BLESSED_FILE = "INFRA_NOT_BLESSED"
# What that one lacks: whose blessing it is, named as `ModelBlessing` has it.
MODEL_ID_PROPERTY = "current_model_id"


class ServingValidatorSpec(ComponentSpec):
    """A model in, a decision out; `params` are JSON, as in `ServingParams`."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        SIGNATURES_KEY: ExecutionParameter(type=list[str]),
        PARAMS_KEY: ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, Any]] = {
        MODEL_KEY: ChannelParameter(type=standard_artifacts.Model),
        BASELINE_MODEL_KEY: ChannelParameter(
            type=standard_artifacts.Model, optional=True
        ),
        MODEL_BLESSING_KEY: ChannelParameter(
            type=standard_artifacts.ModelBlessing, optional=True
        ),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {
        BLESSING_KEY: ChannelParameter(type=standard_artifacts.InfraBlessing),
    }
