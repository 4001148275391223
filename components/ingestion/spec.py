"""Names and types of what `LogExampleGen` takes and gives."""

from typing import Any, ClassVar

from tfx.types import component_spec, standard_component_specs

FEATURE_SPEC_KEY = "feature_spec"
LOG_FORMAT_KEY = "log_format"
EVENTS_KEY = "events"


class LogExampleGenSpec(standard_component_specs.FileBasedExampleGenSpec):
    """The specification of TFX's file-based ExampleGen, and three properties of ours.

    `feature_spec` is the feature spec as JSON, `log_format` the format of the files,
    `events` JSON of the event logs' paths by sequence feature, where they are given.
    """

    PARAMETERS: ClassVar[dict[str, Any]] = {
        **standard_component_specs.FileBasedExampleGenSpec.PARAMETERS,
        FEATURE_SPEC_KEY: component_spec.ExecutionParameter(type=str),
        LOG_FORMAT_KEY: component_spec.ExecutionParameter(type=str),
        EVENTS_KEY: component_spec.ExecutionParameter(type=str),
    }
