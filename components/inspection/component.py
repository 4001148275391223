"""The inspection of numeric fields as a node of a pipeline."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec

from clickwright.components.inspection.artifacts import AutoDisReport
from clickwright.components.inspection.executor import Executor
from clickwright.components.inspection.spec import NumericInspectorSpec
from clickwright.schemas.spec import FeatureSpec


class NumericInspector(base_component.BaseComponent):
    """Looks at what a trained model makes of every numeric field.

    It reads the encoders from the file that the trainer leaves beside its log, and
    asks the exported model itself for the responses: raw columns go in at
    `predict_raw`, one of them set to each value of a grid. So the responses are those
    of the model that is served, with its own transform, and nothing but the encoders
    of the numeric fields is kept twice.

    Args:
        examples: `Examples` with raw tf.Examples, splits `train` and `valid` at least.
        plan: `DiscretizationPlan` that the model was trained with.
        model: `Model`, the exported one.
        model_run: `ModelRun` of the same training.
        previous_report: `AutoDisReport` of earlier data, from a `Resolver` with
            `PreviousReport`; without it, or when it is empty, there is no drift.
        feature_spec: names the numeric features, label and weight.

    Outputs:
        report: `AutoDisReport`.
    """

    SPEC_CLASS = NumericInspectorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        plan: types.BaseChannel,
        model: types.BaseChannel,
        model_run: types.BaseChannel,
        previous_report: types.BaseChannel | None = None,
        *,
        feature_spec: FeatureSpec,
    ) -> None:
        super().__init__(
            NumericInspectorSpec(
                examples=examples,
                plan=plan,
                model=model,
                model_run=model_run,
                previous_report=previous_report,
                feature_spec=feature_spec.model_dump_json(),
                report=types.Channel(type=AutoDisReport),
            )
        )
