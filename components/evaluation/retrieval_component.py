"""The evaluator of retrieval models as a node of a pipeline."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts

from clickwright.components.evaluation.retrieval_executor import RetrievalExecutor
from clickwright.components.evaluation.retrieval_thresholds import RetrievalThresholds
from clickwright.components.evaluation.spec import ModelEvaluatorSpec
from clickwright.schemas.spec import FeatureSpec


class RetrievalEvaluator(base_component.BaseComponent):
    """Measures what a model finds on the valid and test splits, and blesses it or not.

    Every request is put to the exported model, which ranks all items less those that
    the request names; `evaluation.json` holds `hr@K`, `ndcg@K`, `mrr@K` and `recall@K`
    of both splits for `read_evaluation`. The decision falls on the test split.

    Args:
        examples: `Examples` with raw tf.Examples, splits `valid` and `test`.
        model: `Model` whose `serving_default` finds items for serialized tf.Examples.
        baseline_model: `Model` to compare with, mostly the latest blessed one from a
            Resolver; it may be empty.
        feature_spec: names item, label and group key.
        thresholds: what the model must reach.

    Outputs:
        evaluation: `ModelEvaluation`.
        blessing: `ModelBlessing`, with the custom properties that TFX's Evaluator
            sets.
    """

    SPEC_CLASS = ModelEvaluatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(RetrievalExecutor)

    def __init__(
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        baseline_model: types.BaseChannel | None = None,
        *,
        feature_spec: FeatureSpec,
        thresholds: RetrievalThresholds,
    ) -> None:
        super().__init__(
            ModelEvaluatorSpec(
                examples=examples,
                model=model,
                baseline_model=baseline_model,
                feature_spec=feature_spec.model_dump_json(),
                thresholds=thresholds.model_dump_json(exclude_none=True),
                ablations=0,
                evaluation=types.Channel(type=standard_artifacts.ModelEvaluation),
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
            )
        )
