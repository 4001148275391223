"""The component that reads a click log which SourceGen has prepared."""

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import standard_artifacts

from clickwright.components.ingestion.prepared_executor import PreparedExecutor
from clickwright.components.ingestion.prepared_spec import PreparedExampleGenSpec
from clickwright.schemas.spec import FeatureSpec


class PreparedExampleGen(base_beam_component.BaseBeamComponent):
    """`LogExampleGen` for containers: the files come by a channel.

    TFX compiles each of its file-based ExampleGens into a container that runs TFX's
    own driver first, which knows neither our spans nor our events.

    Args:
        prepared: `PreparedData`.
        spec: what the columns mean, and how rows are split.

    Outputs:
        `examples`: as of `LogExampleGen`.
    """

    SPEC_CLASS = PreparedExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(PreparedExecutor)

    def __init__(self, prepared: types.BaseChannel, spec: FeatureSpec) -> None:
        super().__init__(
            PreparedExampleGenSpec(
                prepared=prepared,
                feature_spec=spec.model_dump_json(),
                examples=types.Channel(type=standard_artifacts.Examples),
            )
        )
