"""The evaluator as a node of a pipeline."""

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import standard_artifacts

from clickwright.components.evaluation.eval_config import eval_config
from clickwright.components.evaluation.executor import Executor
from clickwright.components.evaluation.off_policy_gate import OffPolicyGate
from clickwright.components.evaluation.spec import ModelEvaluatorSpec
from clickwright.components.evaluation.thresholds import Thresholds
from clickwright.schemas.spec import FeatureSpec


class ModelEvaluator(base_beam_component.BaseBeamComponent):
    """Measures a model on the valid and test splits, and blesses it or not.

    It does the work of TFX's Evaluator and leaves the same artifacts, but scores and
    measures large batches rather than single rows. Metrics of the test split, with all
    slices of the spec, lie where TFX's Evaluator puts them, those of the valid split
    in the folder `valid` below; `evaluation.json` holds both for `read_evaluation`.
    The decision falls on the test split.

    Args:
        examples: `Examples` with raw tf.Examples, splits `valid` and `test`.
        model: `Model` whose `serving_default` scores serialized tf.Examples.
        baseline_model: `Model` to compare with, mostly the latest blessed one from a
            Resolver; it may be empty.
        feature_spec: names label, weight, group key and slices.
        thresholds: what the model must reach.
        ablations: whether the test split is scored without histories and without item
            vectors too, which takes as long again for each.
        off_policy: what the model must earn on logged choices; None: nothing.

    Outputs:
        evaluation: `ModelEvaluation`.
        blessing: `ModelBlessing`, with the custom properties that TFX's Evaluator
            sets.

    Raises:
        ConfigError: the spec cannot be evaluated under these thresholds.
        DataError: there is no log of choices.
    """

    SPEC_CLASS = ModelEvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        baseline_model: types.BaseChannel | None = None,
        *,
        feature_spec: FeatureSpec,
        thresholds: Thresholds,
        ablations: bool = False,
        off_policy: OffPolicyGate | None = None,
    ) -> None:
        # Refuses what does not fit now, rather than at the end of the training.
        eval_config(feature_spec, thresholds)
        super().__init__(
            ModelEvaluatorSpec(
                examples=examples,
                model=model,
                baseline_model=baseline_model,
                feature_spec=feature_spec.model_dump_json(),
                thresholds=thresholds.model_dump_json(exclude_none=True),
                ablations=int(ablations),
                off_policy=off_policy and off_policy.model_dump_json(),
                off_policy_log=off_policy and off_policy.fingerprint(),
                evaluation=types.Channel(type=standard_artifacts.ModelEvaluation),
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
            )
        )
