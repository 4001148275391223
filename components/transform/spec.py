"""Names and types of SpecTransform's channels and parameters."""

from typing import Any, ClassVar

from tfx.types import standard_component_specs
from tfx.types.component_spec import ChannelParameter

from clickwright.components.discretizer.artifacts import DiscretizationPlan

PLAN_KEY = "plan"


class SpecTransformSpec(standard_component_specs.TransformSpec):
    """TFX's Transform, and the plan of the numeric features, where there are any."""

    INPUTS: ClassVar[dict[str, Any]] = {
        **standard_component_specs.TransformSpec.INPUTS,
        PLAN_KEY: ChannelParameter(type=DiscretizationPlan, optional=True),
    }
