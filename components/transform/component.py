"""The component that turns raw examples into model inputs."""

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.proto import transform_pb2
from tfx.types import standard_artifacts
from tfx.utils import json_utils

from clickwright.components.transform.executor import Executor
from clickwright.components.transform.spec import SpecTransformSpec
from clickwright.models.preprocessing import SPEC_KEY
from clickwright.schemas.spec import SPLITS, FeatureSpec


class SpecTransform(base_beam_component.BaseBeamComponent):
    """TFX's Transform with the `preprocessing_fn` of a feature spec.

    Vocabularies are learned on the training split alone; numbers are scaled by the
    constants of the discretization plan, of which the transform graph's folder keeps
    a copy. The statistics that Transform can make of its output are left out:
    StatisticsGen describes the data, and they cost a fifth of Transform's time.

    Args:
        examples: `Examples` with the splits `train`, `valid` and `test`.
        schema: `Schema` of the raw columns.
        spec: the feature spec.
        plan: `DiscretizationPlan` of the spec's numeric features; None where it has
            none.
        base_model: `Model` that training goes on from: learned vocabularies begin with
            its own. None, or a channel without artifacts, for none.

    Raises:
        ValueError: the spec has numeric features, and there is no plan.
    """

    SPEC_CLASS = SpecTransformSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        schema: types.BaseChannel,
        spec: FeatureSpec,
        plan: types.BaseChannel | None = None,
        base_model: types.BaseChannel | None = None,
    ) -> None:
        if plan is None and spec.numeric_features():
            raise ValueError(
                "`plan` must be given for a spec with numeric features. Received: None"
            )
        transformed = types.Channel(type=standard_artifacts.Examples)
        transformed.matching_channel_name = "examples"
        super().__init__(
            SpecTransformSpec(
                examples=examples,
                schema=schema,
                plan=plan,
                base_model=base_model,
                preprocessing_fn="clickwright.models.preprocessing.preprocessing_fn",
                splits_config=transform_pb2.SplitsConfig(
                    analyze=SPLITS[:1], transform=SPLITS
                ),
                custom_config=json_utils.dumps({SPEC_KEY: spec.model_dump_json()}),
                force_tf_compat_v1=0,
                disable_statistics=1,
                transform_graph=types.Channel(type=standard_artifacts.TransformGraph),
                transformed_examples=transformed,
            )
        )
