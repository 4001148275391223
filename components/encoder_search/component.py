"""The component that compares encoders by training."""

import json
from collections.abc import Mapping
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts

from clickwright.components.discretizer.artifacts import DiscretizationPlan
from clickwright.components.encoder_search.executor import Executor
from clickwright.components.encoder_search.params import SearchParams
from clickwright.components.encoder_search.spec import EncoderSearchSpec
from clickwright.schemas.spec import FeatureSpec


class EncoderSearch(base_component.BaseComponent):
    """Finds the encoders of the numeric features with `encoder: auto`.

    It trains the configured model with the encoders in question on some of the
    transformed rows, as `search.search` has it. Scaling and missing values stay as
    the plan says, since the rows are transformed already.

    Args:
        examples: transformed `Examples`, splits `train` and `valid`.
        transform_graph: `TransformGraph` that they were made with.
        plan: `DiscretizationPlan` of the rules.
        spec: the feature spec.
        model: `{"name": ..., "params": {...}}`.
        training: fields of `TrainingParams`.
        search: how to search; defaults when None.
        hyperparameters: `HyperParameters` that the Trainer is to get besides, the item
            tables; None for none.
        checkpoint_dir: folder in which finished trials are kept until the search has
            ended, so that a killed one goes on; None for none.

    Outputs:
        `plan`: a `DiscretizationPlan` with the encoders found, why, and by how much.
        `hyperparameters`: `HyperParameters` for TFX's Trainer, which hands them to
        `run_fn`: that plan, under `discretization_plan`, and those given.
    """

    SPEC_CLASS = EncoderSearchSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        transform_graph: types.BaseChannel,
        plan: types.BaseChannel,
        *,
        spec: FeatureSpec,
        model: Mapping[str, Any],
        training: Mapping[str, Any],
        search: SearchParams | None = None,
        checkpoint_dir: str | None = None,
        hyperparameters: types.BaseChannel | None = None,
    ) -> None:
        super().__init__(
            EncoderSearchSpec(
                examples=examples,
                transform_graph=transform_graph,
                rules=plan,
                given=hyperparameters,
                spec=spec.model_dump_json(),
                model=json.dumps(model, sort_keys=True),
                training=json.dumps(training, sort_keys=True),
                search=(search or SearchParams()).model_dump_json(),
                checkpoint_dir=checkpoint_dir,
                plan=types.Channel(type=DiscretizationPlan),
                hyperparameters=types.Channel(type=standard_artifacts.HyperParameters),
            )
        )
