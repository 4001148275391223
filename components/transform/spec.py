"""Names and types of SpecTransform's channels and parameters."""

from typing import Any, ClassVar

from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.component_spec import ChannelParameter

from clickwright.components.discretizer.artifacts import DiscretizationPlan

PLAN_KEY = "plan"
BASE_MODEL_KEY = "base_model"


class SpecTransformSpec(standard_component_specs.TransformSpec):
    """TFX's Transform, the plan of the numeric features, where there are any, and the
    model that training goes on from, if it does."""

    INPUTS: ClassVar[dict[str, Any]] = {
        **standard_component_specs.TransformSpec.INPUTS,
        PLAN_KEY: ChannelParameter(type=DiscretizationPlan, optional=True),
        BASE_MODEL_KEY: ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
