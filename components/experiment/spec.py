"""Names and types of ExperimentGen's channels and parameters."""

from typing import Any, ClassVar

from tfx.types import standard_artifacts
from tfx.types.component_spec import (
    ChannelParameter,
    ComponentSpec,
    ExecutionParameter,
)

from clickwright.components.experiment.artifacts import ExperimentDefinition

PUSHED_MODEL_KEY = "pushed_model"
MODEL_RUN_KEY = "model_run"
EXAMPLES_KEY = "examples"
EVALUATION_KEY = "evaluation"
MODEL_BLESSING_KEY = "model_blessing"
EXPERIMENT_KEY = "experiment"

TEMPLATE_KEY = "template"
DESTINATION_KEY = "destination"

# Custom properties of the artifact.
DEFINED_PROPERTY = "defined"
REASON_PROPERTY = "reason"
ID_PROPERTY = "experiment_id"
VERSION_PROPERTY = "version_"
"""Before an arm's name: the version that its target named."""

DEFINITION_FILE = "experiment.yaml"


class ExperimentGenSpec(ComponentSpec):
    """A pushed model and what is known of it in, an experiment out."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        TEMPLATE_KEY: ExecutionParameter(type=str),
        DESTINATION_KEY: ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, Any]] = {
        PUSHED_MODEL_KEY: ChannelParameter(type=standard_artifacts.PushedModel),
        MODEL_RUN_KEY: ChannelParameter(
            type=standard_artifacts.ModelRun, optional=True
        ),
        EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples, optional=True),
        EVALUATION_KEY: ChannelParameter(
            type=standard_artifacts.ModelEvaluation, optional=True
        ),
        MODEL_BLESSING_KEY: ChannelParameter(
            type=standard_artifacts.ModelBlessing, optional=True
        ),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {
        EXPERIMENT_KEY: ChannelParameter(type=ExperimentDefinition),
    }
