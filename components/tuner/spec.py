"""Names and types of the Tuner's channels and parameters."""

from typing import Any, ClassVar

from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.component_spec import ChannelParameter

GIVEN_KEY = "given"


class TunerSpec(standard_component_specs.TunerSpec):
    """TFX's Tuner, with hyperparameters that are `given` and handed on."""

    INPUTS: ClassVar[dict[str, Any]] = {
        **standard_component_specs.TunerSpec.INPUTS,
        GIVEN_KEY: ChannelParameter(
            type=standard_artifacts.HyperParameters, optional=True
        ),
    }
