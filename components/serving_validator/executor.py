"""Brings a model to a server of this machine, and writes down what came of it."""

import logging
import os
import pathlib
import tempfile
from typing import Any

from tfx import types
from tfx.components.util import model_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from clickwright.components.exec_properties import content_of
from clickwright.components.serving_validator import spec
from clickwright.components.serving_validator.params import ServingParams
from clickwright.components.serving_validator.result import FILE_NAME, ValidationResult
from clickwright.components.serving_validator.validate import validate
from clickwright.schemas.errors import storage_error

progress = logging.getLogger("clickwright.progress")


class Executor(base_executor.BaseExecutor):
    """Tries a model in a server, and blesses it or not."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Validates the model and records what was found.

        Args:
            input_dict: `model`, one `Model`; `baseline_model` and `model_blessing`, one
                artifact each or none.
            output_dict: `blessing`, one `InfraBlessing`; its custom properties are
                set.
            exec_properties: as in `ServingValidatorSpec`.

        Raises:
            MachineError: there is no model server, or no space for a copy of the model.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        model = artifact_utils.get_single_instance(input_dict[spec.MODEL_KEY])
        baselines = input_dict.get(spec.BASELINE_MODEL_KEY) or []
        blessings = input_dict.get(spec.MODEL_BLESSING_KEY) or []
        blessing = artifact_utils.get_single_instance(output_dict[spec.BLESSING_KEY])
        params = ServingParams.model_validate_json(exec_properties[spec.PARAMS_KEY])
        if not all(model_utils.is_model_blessed(b) for b in blessings):
            result = ValidationResult(
                blessed=False, skipped="the evaluation did not bless the model"
            )
        else:
            compares = baselines and params.latency.p50_ratio is not None
            with tempfile.TemporaryDirectory(prefix="clickwright-staged-") as folder:
                root = pathlib.Path(folder)
                result = validate(
                    _staged(model, root / "candidate"),
                    content_of(exec_properties[spec.SIGNATURES_KEY]),
                    params,
                    _staged(baselines[0], root / "blessed") if compares else None,
                )
        _write(result, model, blessing)
        progress.info("validated", extra={"detail": _in_short(result)})


def _staged(model: types.Artifact, versions: pathlib.Path) -> pathlib.Path:
    """Copies a model, from wherever it is, as the version `1` of a base path."""
    target = versions / "1"
    try:
        target.mkdir(parents=True)
        io_utils.copy_dir(path_utils.serving_model_path(model.uri), str(target))
    except OSError as error:
        raise storage_error(error, target) from error
    return versions


def _write(
    result: ValidationResult, model: types.Artifact, blessing: types.Artifact
) -> None:
    verdict = spec.BLESSED_FILE if result.blessed else spec.NOT_BLESSED_FILE
    io_utils.write_string_file(os.path.join(blessing.uri, verdict), "")
    io_utils.write_string_file(os.path.join(blessing.uri, FILE_NAME), result.to_json())
    blessing.set_int_custom_property(spec.BLESSED_PROPERTY, int(result.blessed))
    blessing.set_int_custom_property(spec.MODEL_ID_PROPERTY, model.id)


def _in_short(result: ValidationResult) -> str:
    if result.skipped:
        return f"not tried: {result.skipped}"
    if not result.blessed:
        more = len(result.failures) - 1
        also = f", and {more} more" if more else ""
        return f"not blessed: {result.failures[0]}{also}"
    skews = result.skew.skews if result.skew else ()
    largest = max((skew.largest for skew in skews), default=0.0)
    return f"blessed by {result.server}, answers at most {largest:.1g} off"
