"""The component that decides how models take numbers."""

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec

from clickwright.components.discretizer.artifacts import DiscretizationPlan
from clickwright.components.discretizer.executor import Executor
from clickwright.components.discretizer.spec import DiscretizerSpec
from clickwright.schemas.spec import FeatureSpec


class Discretizer(base_beam_component.BaseBeamComponent):
    """Decides on scaling, encoder and missing values of every numeric feature.

    It reads the training split once, and says why it decides what. What the feature
    spec states wins. The plan depends on the rows and the spec alone, not on the
    number of workers.

    Args:
        examples: `Examples` with raw tf.Examples and the split `train`.
        statistics: `ExampleStatistics` of the same examples.
        schema: `Schema` of their columns.
        spec: the feature spec.
        base_model: `Model` that training goes on from, whose plan stays: its weights
            are of numbers scaled so. None, or a channel without artifacts, for none.

    Outputs:
        plan: `DiscretizationPlan`, a folder with `discretization_plan.json`.
    """

    SPEC_CLASS = DiscretizerSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        statistics: types.BaseChannel,
        schema: types.BaseChannel,
        spec: FeatureSpec,
        base_model: types.BaseChannel | None = None,
    ) -> None:
        super().__init__(
            DiscretizerSpec(
                examples=examples,
                statistics=statistics,
                schema=schema,
                base_model=base_model,
                feature_spec=spec.model_dump_json(),
                plan=types.Channel(type=DiscretizationPlan),
            )
        )
