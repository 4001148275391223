"""The evaluator's work."""

import dataclasses
import logging
import os
from collections.abc import Sequence
from typing import Any

import tensorflow_model_analysis as tfma
from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.utils import io_utils, path_utils

from clickwright.components.evaluation import spec as keys
from clickwright.components.evaluation.ablations import ablations
from clickwright.components.evaluation.choose_by_model import choose_by_model
from clickwright.components.evaluation.eval_config import eval_config, slice_columns
from clickwright.components.evaluation.evaluate import Plan, evaluate
from clickwright.components.evaluation.evaluator_artifacts import EvaluatorArtifacts
from clickwright.components.evaluation.off_policy_gate import OffPolicyGate
from clickwright.components.evaluation.result import EvaluationResult
from clickwright.components.evaluation.row_columns import RowColumns
from clickwright.components.evaluation.score_files import first_problem, read_batches
from clickwright.components.evaluation.scorer import Scorer
from clickwright.components.evaluation.tfma_files import read_split
from clickwright.components.evaluation.thresholds import Thresholds
from clickwright.components.evaluation.verdict import failures
from clickwright.components.split_files import split_files
from clickwright.experiments.off_policy.estimate_policy import estimate_policy
from clickwright.schemas.errors import DataError
from clickwright.schemas.spec import FeatureSpec

DECIDING = "test"
"""The split that decides; its results lie where TFX's Evaluator puts them."""
SPLITS = ("valid", DECIDING)

progress = logging.getLogger("clickwright.progress")


class Executor(base_beam_executor.BaseBeamExecutor):
    """Measures a model, compares it with the blessed one, and decides."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Evaluates the model on the splits `valid` and `test`.

        Args:
            input_dict: `examples`, one `Examples` with both splits; `model`, one
                `Model`; `baseline_model`, one `Model` or none.
            output_dict: `evaluation`, one `ModelEvaluation`; `blessing`, one
                `ModelBlessing`, whose custom properties are set.
            exec_properties: as in `ModelEvaluatorSpec`.

        Raises:
            DataError: the examples do not fit the spec or the model, are damaged, or a
                split holds no labelled row.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        spec = FeatureSpec.model_validate_json(exec_properties[keys.FEATURE_SPEC_KEY])
        thresholds = Thresholds.model_validate_json(
            exec_properties[keys.THRESHOLDS_KEY]
        )
        a = EvaluatorArtifacts.of(input_dict, output_dict)

        files = {split: split_files(a.examples, split) for split in SPLITS}
        problem = (
            _cannot_score(a.baselines[0], files[DECIDING]) if a.baselines else None
        )
        models = {tfma.CANDIDATE_KEY: saved_model(a.model)}
        if a.baselines and problem is None:
            models[tfma.BASELINE_KEY] = saved_model(a.baselines[0])
        else:
            models = {"": models[tfma.CANDIDATE_KEY]}
        plan = Plan(
            config=tfma.utils.update_eval_config_with_defaults(
                eval_config(spec, thresholds),
                has_baseline=tfma.BASELINE_KEY in models,
                rubber_stamp=True,
            ),
            columns=RowColumns.of(spec),
            slicings=slice_columns(spec),
            models=models,
            files=files,
            outputs={split: _folder(a.evaluation, split) for split in SPLITS},
            total_rows=_rows_of(a.examples, SPLITS),
        )
        self._run(plan)

        result = _judge(plan, spec, thresholds, problem)
        if exec_properties.get(keys.ABLATIONS_KEY):
            result = dataclasses.replace(
                result,
                ablations=ablations(
                    saved_model(a.model), files[DECIDING], spec, _rows_of(a.examples)
                ),
            )
        if gate := exec_properties.get(keys.OFF_POLICY_KEY):
            result = _judge_off_policy(
                result, OffPolicyGate.model_validate_json(gate), spec, a.model
            )
        result.write(a.evaluation.uri)
        bless(a.blessing, a.model, a.baselines, result.blessed)
        test = result.splits[DECIDING].overall
        progress.info(
            "evaluated",
            extra={
                "rows": int(sum(s.overall["rows"] for s in result.splits.values())),
                "detail": f"test auc {test['auc']:.4f}, "
                + ("blessed" if result.blessed else "not blessed"),
            },
        )

    def _run(self, plan: Plan) -> None:
        problems = os.path.join(self._get_tmp_dir(), "problems")
        with self._make_beam_pipeline() as pipeline:
            evaluate(pipeline, plan, problems)
        found = [
            line
            for path in fileio.glob(f"{problems}*")
            for line in io_utils.read_string_file(path).splitlines()
        ]
        error = first_problem(found)
        if error is not None:
            raise error


def _judge(
    plan: Plan, spec: FeatureSpec, thresholds: Thresholds, problem: str | None
) -> EvaluationResult:
    candidate = next(iter(plan.models))
    splits = {
        split: read_split(folder, candidate, spec)
        for split, folder in plan.outputs.items()
    }
    for split, result in splits.items():
        if not result.overall["rows"] > 0:
            raise DataError(
                f"The split `{split}` holds no row with a label `{spec.label}`.",
                where=os.path.dirname(plan.files[split][0]),
                fix="change the spec's `split`, or bring more data",
            )
    broken = failures(tfma.load_validation_result(plan.outputs[DECIDING]), DECIDING)
    if not thresholds.rules():
        broken += ("no threshold is configured, so nothing can be blessed",)
    if problem is not None and thresholds.compares:
        broken += (f"the comparison with the blessed model fails: {problem}",)
    baseline = None
    if tfma.BASELINE_KEY in plan.models:
        folder = plan.outputs[DECIDING]
        baseline = read_split(folder, tfma.BASELINE_KEY, spec).overall
    return EvaluationResult(splits, not broken, broken, baseline, problem)


def _judge_off_policy(
    result: EvaluationResult,
    gate: OffPolicyGate,
    spec: FeatureSpec,
    model: types.Artifact,
) -> EvaluationResult:
    """Adds what the model would have earned, and whether that is enough."""
    log = choose_by_model(gate, spec, saved_model(model))
    report = estimate_policy(log, gate.options, where=gate.log)
    broken = (*result.failures, *gate.failures(report))
    return dataclasses.replace(
        result, blessed=not broken, failures=broken, off_policy=report
    )


def bless(
    blessing: types.Artifact,
    model: types.Artifact,
    baselines: list[types.Artifact],
    blessed: bool,
) -> None:
    """Writes the blessing as TFX's Evaluator does, property for property."""
    properties = [
        (
            model,
            constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY,
            constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY,
        )
    ]
    if baselines:
        properties.append(
            (
                baselines[0],
                constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY,
                constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY,
            )
        )
    for artifact, uri_key, id_key in properties:
        blessing.set_string_custom_property(uri_key, artifact.uri)
        blessing.set_int_custom_property(id_key, artifact.id)
    name, value = (
        (constants.BLESSED_FILE_NAME, constants.BLESSED_VALUE)
        if blessed
        else (constants.NOT_BLESSED_FILE_NAME, constants.NOT_BLESSED_VALUE)
    )
    io_utils.write_string_file(os.path.join(blessing.uri, name), "")
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, value)


def _cannot_score(baseline: types.Artifact, files: list[str]) -> str | None:
    """Why the blessed model does not score these examples; None if it does."""
    try:
        for batch in read_batches(files[0], batch_rows=1):
            Scorer(saved_model(baseline)).score(batch)
            break
    except DataError as error:
        return error.what
    return None


def saved_model(model: types.Artifact) -> str:
    """Folder of the SavedModel of a `Model`."""
    path: str = path_utils.serving_model_path(model.uri)
    return path


def _folder(evaluation: types.Artifact, split: str) -> str:
    return evaluation.uri if split == DECIDING else os.path.join(evaluation.uri, split)


def _rows_of(
    examples: types.Artifact, splits: Sequence[str] = (DECIDING,)
) -> int | None:
    names = [f"rows_{split}" for split in splits]
    if not all(examples.has_custom_property(name) for name in names):
        return None
    return sum(examples.get_int_custom_property(name) for name in names)
