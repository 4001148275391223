"""Names and types of what the publisher takes and gives."""

from typing import Any, ClassVar

from tfx.types import standard_artifacts
from tfx.types.component_spec import (
    ChannelParameter,
    ComponentSpec,
    ExecutionParameter,
)
from tfx.types.system_executions import Deploy

MODEL_KEY = "model"
MODEL_BLESSING_KEY = "model_blessing"
INFRA_BLESSING_KEY = "infra_blessing"
PUSHED_MODEL_KEY = "pushed_model"

DESTINATION_KEY = "destination"
MODEL_NAME_KEY = "model_name"
KEEP_KEY = "keep"
LABEL_KEY = "label"
SIGNATURES_KEY = "signatures"
REQUIRE_BLESSING_KEY = "require_blessing"
PROVENANCE_KEY = "provenance"

# Custom properties of `PushedModel`, named and typed as TFX's own Pusher has them.
PUSHED_PROPERTY = "pushed"
PUSHED_DESTINATION_PROPERTY = "pushed_destination"
PUSHED_VERSION_PROPERTY = "pushed_version"


class PublisherSpec(ComponentSpec):
    """Spec of the publisher."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        DESTINATION_KEY: ExecutionParameter(type=str),
        MODEL_NAME_KEY: ExecutionParameter(type=str),
        KEEP_KEY: ExecutionParameter(type=int),
        LABEL_KEY: ExecutionParameter(type=str),
        SIGNATURES_KEY: ExecutionParameter(type=list[str]),
        REQUIRE_BLESSING_KEY: ExecutionParameter(type=bool),
        PROVENANCE_KEY: ExecutionParameter(type=dict[str, str]),
    }
    INPUTS: ClassVar[dict[str, Any]] = {
        MODEL_KEY: ChannelParameter(type=standard_artifacts.Model),
        MODEL_BLESSING_KEY: ChannelParameter(
            type=standard_artifacts.ModelBlessing, optional=True
        ),
        INFRA_BLESSING_KEY: ChannelParameter(
            type=standard_artifacts.InfraBlessing, optional=True
        ),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {
        PUSHED_MODEL_KEY: ChannelParameter(type=standard_artifacts.PushedModel),
    }
    TYPE_ANNOTATION = Deploy
