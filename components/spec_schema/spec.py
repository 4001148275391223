"""Names and types of SpecSchemaGen's channel and parameter."""

from typing import Any, ClassVar

from tfx.types import standard_artifacts
from tfx.types.component_spec import (
    ChannelParameter,
    ComponentSpec,
    ExecutionParameter,
)

FEATURE_SPEC_KEY = "feature_spec"
SCHEMA_KEY = "schema"


class SpecSchemaGenSpec(ComponentSpec):
    """A feature spec as JSON in, its schema out."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        FEATURE_SPEC_KEY: ExecutionParameter(type=str)
    }
    INPUTS: ClassVar[dict[str, Any]] = {}
    OUTPUTS: ClassVar[dict[str, Any]] = {
        SCHEMA_KEY: ChannelParameter(type=standard_artifacts.Schema)
    }
