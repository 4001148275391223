"""Names and types of SourceGen's channels and parameters."""

from typing import Any, ClassVar

from tfx.types.component_spec import (
    ChannelParameter,
    ComponentSpec,
    ExecutionParameter,
)

from clickwright.components.source.artifacts import PreparedData

DATA_KEY = "data"
SPAN_KEY = "span"
SOURCE_KEY = "source"
PREPARED_KEY = "prepared"


class SourceGenSpec(ComponentSpec):
    """An address in, files in the columns of the feature spec out.

    `data` is the address, `span` `latest` or a number; `source` is JSON of a
    `SourceFacts`.
    """

    PARAMETERS: ClassVar[dict[str, Any]] = {
        DATA_KEY: ExecutionParameter(type=str),
        SPAN_KEY: ExecutionParameter(type=str),
        SOURCE_KEY: ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, Any]] = {}
    OUTPUTS: ClassVar[dict[str, Any]] = {
        PREPARED_KEY: ChannelParameter(type=PreparedData)
    }
