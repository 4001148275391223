"""The component that derives the schema from the feature spec."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts

from clickwright.components.spec_schema.executor import Executor
from clickwright.components.spec_schema.spec import SpecSchemaGenSpec
from clickwright.schemas.spec import FeatureSpec


class SpecSchemaGen(base_component.BaseComponent):
    """Derives the TF Metadata schema where it is needed, from no file.

    Args:
        spec: the feature spec.

    Outputs:
        `schema`: `Schema`.
    """

    SPEC_CLASS = SpecSchemaGenSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, spec: FeatureSpec) -> None:
        super().__init__(
            SpecSchemaGenSpec(
                feature_spec=spec.model_dump_json(),
                schema=types.Channel(type=standard_artifacts.Schema),
            )
        )
