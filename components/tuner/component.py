"""The component that searches parameters."""

from collections.abc import Mapping
from typing import Any

from tfx import types
from tfx import v1 as tfx
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.utils import json_utils

from clickwright.components.tuner.executor import Executor
from clickwright.components.tuner.params import TunerParams
from clickwright.components.tuner.spec import TunerSpec
from clickwright.schemas.spec import SPLITS, FeatureSpec

TUNER_FN = "clickwright.components.tuner.tuner_fn.tuner_fn"


class Tuner(base_component.BaseComponent):
    """TFX's Tuner with Keras Tuner, over the parameters of any registered model.

    Args:
        examples: transformed `Examples`, splits `train` and `valid`.
        transform_graph: `TransformGraph` that they were made with.
        spec: the feature spec.
        model: `{"name": ..., "params": {...}}`.
        training: fields of the training's parameters.
        tuner: how to search.
        checkpoint_dir: folder in which finished trials are kept until the search has
            ended, so that a killed one goes on; None for none.
        hyperparameters: `HyperParameters` that the Trainer is to get besides: item
            tables and a plan of the numeric features; None for none.

    Outputs:
        `best_hyperparameters`: `HyperParameters` for TFX's Trainer: the best values
        under `tuned`, and those given.
        `tuner_results`: `TunerResults`, all trials: `tuner_results.json` as TFX has
        it, and `trials.json`, a `TuningResult`.
    """

    SPEC_CLASS = TunerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        transform_graph: types.BaseChannel,
        *,
        spec: FeatureSpec,
        model: Mapping[str, Any],
        training: Mapping[str, Any],
        tuner: TunerParams,
        checkpoint_dir: str | None = None,
        hyperparameters: types.BaseChannel | None = None,
    ) -> None:
        config = {
            "spec": spec.model_dump_json(),
            "model": dict(model),
            "training": dict(training),
            "tuner": tuner.model_dump(mode="json"),
            "checkpoint_dir": checkpoint_dir,
        }
        super().__init__(
            TunerSpec(
                examples=examples,
                transform_graph=transform_graph,
                given=hyperparameters,
                tuner_fn=TUNER_FN,
                train_args=tfx.proto.TrainArgs(splits=[SPLITS[0]]),
                eval_args=tfx.proto.EvalArgs(splits=[SPLITS[1]]),
                custom_config=json_utils.dumps(config),
                best_hyperparameters=types.Channel(
                    type=standard_artifacts.HyperParameters
                ),
                tuner_results=types.Channel(type=standard_artifacts.TunerResults),
            )
        )
