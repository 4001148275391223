"""The inspector's work."""

import logging
import pathlib
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from clickwright.components.inspection import spec as keys
from clickwright.components.inspection.field_encoders import FieldEncoders
from clickwright.components.inspection.inspect_fields import inspect_fields
from clickwright.components.inspection.raw_scorer import RawScorer
from clickwright.components.split_files import split_files
from clickwright.schemas.autodis_report import AutoDisReport
from clickwright.schemas.discretization_plan import DiscretizationPlan
from clickwright.schemas.spec import FeatureSpec

progress = logging.getLogger("clickwright.progress")


class Executor(base_executor.BaseExecutor):
    """Inspects the numeric fields of one model."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Inspects, and writes `autodis_report.json`.

        Args:
            input_dict: `examples`, `plan`, `model` and `model_run`, one artifact
                each; `previous_report`, one artifact, none, or absent.
            output_dict: `report`, one `AutoDisReport`.
            exec_properties: `feature_spec`, the spec as JSON.

        Raises:
            ConfigError: the plan was made for another spec.
            DataError: rows, model or an earlier report cannot be read.
        """
        spec = FeatureSpec.model_validate_json(exec_properties[keys.FEATURE_SPEC_KEY])
        plan = DiscretizationPlan.read(_folder(input_dict[keys.PLAN_KEY]))
        plan.check(spec)
        examples = artifact_utils.get_single_instance(input_dict[keys.EXAMPLES_KEY])
        previous = input_dict.get(keys.PREVIOUS_REPORT_KEY) or []
        report = inspect_fields(
            spec,
            plan,
            {
                split: split_files(examples, split)
                for split in artifact_utils.decode_split_names(examples.split_names)
            },
            RawScorer(
                path_utils.serving_model_path(
                    artifact_utils.get_single_uri(input_dict[keys.MODEL_KEY])
                )
            ),
            FieldEncoders.read(_folder(input_dict[keys.MODEL_RUN_KEY]), plan),
            AutoDisReport.read(_folder(previous)) if previous else None,
        )
        report.write(_folder(output_dict[keys.REPORT_KEY]))
        detail = f"{len(report.fields)} numeric features, "
        detail += f"warnings: {len(report.warnings())}"
        progress.info("%s", detail, extra={"detail": detail})


def _folder(artifacts: list[types.Artifact]) -> pathlib.Path:
    return pathlib.Path(artifact_utils.get_single_uri(artifacts))
