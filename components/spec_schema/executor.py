"""SpecSchemaGen's work."""

import pathlib
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from clickwright.components.spec_schema import spec as keys
from clickwright.schemas.metadata import write_schema
from clickwright.schemas.spec import FeatureSpec

FILE_NAME = "schema.pbtxt"


class Executor(base_executor.BaseExecutor):
    """Derives the schema."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes `schema.pbtxt`.

        Args:
            input_dict: empty.
            output_dict: `schema`, one `Schema`.
            exec_properties: `feature_spec`, the feature spec as JSON.

        Raises:
            MachineError: the file cannot be written.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        spec = FeatureSpec.model_validate_json(exec_properties[keys.FEATURE_SPEC_KEY])
        folder = pathlib.Path(
            artifact_utils.get_single_uri(output_dict[keys.SCHEMA_KEY])
        )
        folder.mkdir(parents=True, exist_ok=True)
        write_schema(spec, folder / FILE_NAME)
