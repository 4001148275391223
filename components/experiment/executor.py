"""ExperimentGen's work."""

import datetime
import json
import logging
import pathlib
from typing import Any

import yaml
from tfx import types
from tfx.components.evaluator.constants import ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY
from tfx.components.example_gen.utils import (
    FINGERPRINT_PROPERTY_NAME,
    SPAN_PROPERTY_NAME,
)
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from clickwright.components.evaluation.result import read_evaluation
from clickwright.components.experiment import spec as keys
from clickwright.components.experiment.arm_lineage import (
    Facts,
    metric_facts,
    published_facts,
    served_models,
    write_lineage,
)
from clickwright.components.experiment.template import ExperimentTemplate
from clickwright.components.publisher.spec import (
    PUSHED_PROPERTY,
    PUSHED_VERSION_PROPERTY,
)
from clickwright.experiments.offline_online.offline_facts import off_policy_facts
from clickwright.experiments.targets import versions_of_arms
from clickwright.schemas.atomic_file import write_text
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.experiment import Experiment
from clickwright.schemas.spec import SPLITS

progress = logging.getLogger("clickwright.progress")

_TEST = SPLITS[2]
_MODEL_ID = "model_artifact_id"
"""In a manifest's provenance, as the publisher writes it."""


class Executor(base_executor.BaseExecutor):
    """Fills in the definition, or says why there is nothing to compare."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the definition and the lineage of its arms.

        Args:
            input_dict: `pushed_model`, one `PushedModel`; `model_run`, `examples`,
                `evaluation` and `model_blessing`, one each or none.
            output_dict: `experiment`, one `Experiment`.
            exec_properties: as in `ExperimentGenSpec`.

        Raises:
            ConfigError: the template gives no definition, or the server's config file
                is damaged.
            MachineError: the serving root cannot be read, or no file can be written.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        artifact = artifact_utils.get_single_instance(output_dict[keys.EXPERIMENT_KEY])
        pushed = artifact_utils.get_single_instance(input_dict[keys.PUSHED_MODEL_KEY])
        if not pushed.get_int_custom_property(PUSHED_PROPERTY):
            _leave_empty(artifact, "nothing was published")
            return
        version = int(pushed.get_string_custom_property(PUSHED_VERSION_PROPERTY))
        root = exec_properties[keys.DESTINATION_KEY]
        template = ExperimentTemplate(json.loads(exec_properties[keys.TEMPLATE_KEY]))
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        experiment = template.filled(version, now)
        try:
            versions = versions_of_arms(experiment, served_models(root))
        except ConfigError as error:
            # The first version of a model has nothing beside it.
            _leave_empty(artifact, error.what)
            return
        answering = {
            (arm.target.model, versions[name]) for name, arm in experiment.arms.items()
        }
        if len(answering) == 1:
            _leave_empty(artifact, f"all arms are version {version}")
            return
        _write(artifact, experiment)
        write_lineage(
            pathlib.Path(artifact.uri),
            self._lineage(experiment, versions, version, root, input_dict),
        )
        artifact.set_int_custom_property(keys.DEFINED_PROPERTY, 1)
        artifact.set_string_custom_property(keys.ID_PROPERTY, experiment.id)
        for arm, number in versions.items():
            name = f"{keys.VERSION_PROPERTY}{arm}"
            artifact.set_string_custom_property(name, str(number))
        arms = ", ".join(f"{arm} {number}" for arm, number in versions.items())
        progress.info("defined", extra={"detail": f"{experiment.id}: {arms}"})

    def _lineage(
        self,
        experiment: Experiment,
        versions: dict[str, int],
        pushed: int,
        root: str,
        input_dict: dict[str, list[types.Artifact]],
    ) -> dict[str, Facts]:
        """What is known of each arm: most of the version that this run published."""
        run, baseline = self._facts(input_dict)
        baseline_id = _baseline_id(input_dict)
        found = {}
        for name, arm in experiment.arms.items():
            facts = published_facts(root, arm.target.model, versions[name])
            if versions[name] == pushed:
                facts |= run
            elif baseline_id is not None and facts.get(_MODEL_ID) == baseline_id:
                facts |= baseline
            found[name] = facts
        return found

    def _facts(
        self, input_dict: dict[str, list[types.Artifact]]
    ) -> tuple[Facts, Facts]:
        """Of the version that this run published, and of the one it was compared with.

        Metrics are those of the test split, the same rows for both.
        """
        run: Facts = {}
        baseline: Facts = {}
        context = self._context
        if context is not None and context.pipeline_run_id:
            run["run"] = context.pipeline_run_id
        for key in (keys.MODEL_RUN_KEY, keys.EXAMPLES_KEY, keys.EVALUATION_KEY):
            for artifact in input_dict.get(key) or []:
                run[f"{key}_artifact_id"] = str(artifact.id)
        for examples in input_dict.get(keys.EXAMPLES_KEY) or []:
            for name in (SPAN_PROPERTY_NAME, FINGERPRINT_PROPERTY_NAME):
                if examples.has_custom_property(name):
                    text = examples.get_string_custom_property(name)
                    run[name] = text or str(examples.get_int_custom_property(name))
        for artifact in input_dict.get(keys.EVALUATION_KEY) or []:
            evaluation = read_evaluation(artifact.uri)
            run |= metric_facts(evaluation.splits[_TEST].overall)
            run |= off_policy_facts(evaluation.off_policy)
            baseline |= metric_facts(evaluation.baseline or {})
        return run, baseline


def _baseline_id(input_dict: dict[str, list[types.Artifact]]) -> str | None:
    for blessing in input_dict.get(keys.MODEL_BLESSING_KEY) or []:
        if blessing.has_custom_property(ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY):
            return str(
                blessing.get_int_custom_property(
                    ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY
                )
            )
    return None


def _write(artifact: types.Artifact, experiment: Experiment) -> None:
    content = experiment.model_dump(mode="json", exclude_none=True)
    write_text(
        pathlib.Path(artifact.uri, keys.DEFINITION_FILE),
        yaml.safe_dump(content, sort_keys=False, allow_unicode=True),
    )


def _leave_empty(artifact: types.Artifact, reason: str) -> None:
    artifact.set_int_custom_property(keys.DEFINED_PROPERTY, 0)
    artifact.set_string_custom_property(keys.REASON_PROPERTY, reason)
    progress.info("not defined", extra={"detail": f"no experiment: {reason}"})
