"""The component that turns raw examples into model inputs."""

from tfx import types
from tfx.components import Transform
from tfx.dsl.components.base import executor_spec
from tfx.proto import transform_pb2

from clickwright.components.transform.executor import Executor
from clickwright.models.preprocessing import SPEC_KEY
from clickwright.schemas.spec import SPLITS, FeatureSpec


class SpecTransform(Transform):
    """TFX's Transform with the `preprocessing_fn` of a feature spec.

    Vocabularies, means and quantiles are learned on the training split alone. The
    statistics that Transform can make of its output are left out: StatisticsGen
    describes the data, and they cost a fifth of Transform's time.

    Args:
        examples: `Examples` with the splits `train`, `valid` and `test`.
        schema: `Schema` of the raw columns.
        spec: the feature spec.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self, examples: types.BaseChannel, schema: types.BaseChannel, spec: FeatureSpec
    ) -> None:
        super().__init__(
            examples=examples,
            schema=schema,
            preprocessing_fn="clickwright.models.preprocessing.preprocessing_fn",
            splits_config=transform_pb2.SplitsConfig(
                analyze=SPLITS[:1], transform=SPLITS
            ),
            custom_config={SPEC_KEY: spec.model_dump_json()},
            disable_analyzer_cache=True,
            disable_statistics=True,
        )
