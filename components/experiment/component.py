"""ExperimentGen as a node of a pipeline."""

import json

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec

from clickwright.components.experiment.artifacts import ExperimentDefinition
from clickwright.components.experiment.executor import Executor
from clickwright.components.experiment.spec import ExperimentGenSpec
from clickwright.components.experiment.template import ExperimentTemplate


class ExperimentGen(base_component.BaseComponent):
    """Defines the online experiment in which a published version is tried.

    The artifact says which version each arm's target names at that moment, and what is
    known of it. With its inputs it links arm, model version, run, data and metrics in
    ML Metadata. Nothing is started: `clickwright ab start` gives the definition to the
    router.

    Args:
        pushed_model: channel of the `PushedModel`.
        model_run: channel of the `ModelRun` that trained it.
        examples: channel of the `Examples` that it learned from.
        evaluation: channel of its `ModelEvaluation`.
        model_blessing: channel of its `ModelBlessing`, which names the blessed model
            that it was compared with.
        template: the definition, which waits for the version.
        destination: the serving root that the model was published to.

    Outputs:
        `experiment`: an `Experiment` with `experiment.yaml`, `lineage.json` for
        `read_lineage`, and the custom properties `defined`, `experiment_id`, and
        `version_<arm>`. Where nothing was published, a label names no version yet, or
        all arms are the same version, `defined` is 0 and `reason` says why.
    """

    SPEC_CLASS = ExperimentGenSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        pushed_model: types.BaseChannel,
        model_run: types.BaseChannel | None = None,
        examples: types.BaseChannel | None = None,
        evaluation: types.BaseChannel | None = None,
        model_blessing: types.BaseChannel | None = None,
        *,
        template: ExperimentTemplate,
        destination: str,
    ) -> None:
        super().__init__(
            ExperimentGenSpec(
                pushed_model=pushed_model,
                model_run=model_run,
                examples=examples,
                evaluation=evaluation,
                model_blessing=model_blessing,
                template=json.dumps(template.content),
                destination=destination,
                experiment=types.Channel(type=ExperimentDefinition),
            )
        )
