"""Names and types of what `PreparedExampleGen` takes and gives."""

from typing import Any, ClassVar

from tfx.types import standard_artifacts
from tfx.types.component_spec import (
    ChannelParameter,
    ComponentSpec,
    ExecutionParameter,
)

from clickwright.components.ingestion.spec import FEATURE_SPEC_KEY
from clickwright.components.source.artifacts import PreparedData
from clickwright.components.source.spec import PREPARED_KEY

EXAMPLES_KEY = "examples"


class PreparedExampleGenSpec(ComponentSpec):
    """Prepared files in, examples out; the feature spec as JSON."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        FEATURE_SPEC_KEY: ExecutionParameter(type=str)
    }
    INPUTS: ClassVar[dict[str, Any]] = {
        PREPARED_KEY: ChannelParameter(type=PreparedData)
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {
        EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples)
    }
