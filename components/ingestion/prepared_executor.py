"""What `PreparedExampleGen` does when it runs."""

import os
import pathlib
from typing import Any

from google.protobuf import json_format
from tfx import types
from tfx.components.example_gen.utils import (
    FINGERPRINT_PROPERTY_NAME,
    SPAN_PROPERTY_NAME,
)
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs

from clickwright.components.ingestion.executor import Executor
from clickwright.components.ingestion.prepared_spec import EXAMPLES_KEY
from clickwright.components.ingestion.spec import FEATURE_SPEC_KEY, LOG_FORMAT_KEY
from clickwright.components.source.prepared_files import PreparedFiles
from clickwright.components.source.spec import PREPARED_KEY


class PreparedExecutor(Executor):
    """Ingests what an artifact holds, as `LogExampleGen` does what a folder holds."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Reads the files and fills the `Examples` artifact.

        Args:
            input_dict: `prepared`, one `PreparedData`.
            output_dict: `examples`, one `Examples`; gets fingerprint and span of the
                files as custom properties, as TFX's driver sets them.
            exec_properties: `feature_spec`, the feature spec as JSON.

        Raises:
            DataError: as of `Executor`.
            MachineError: the output cannot be written.
        """
        folder = artifact_utils.get_single_uri(input_dict[PREPARED_KEY])
        prepared = PreparedFiles.read(pathlib.Path(folder))
        base = os.path.join(folder, prepared.folder)
        splits = [
            example_gen_pb2.Input.Split(name=split, pattern=f"{split}/*")
            for split in prepared.splits
        ]
        super().Do(
            {},
            output_dict,
            {
                standard_component_specs.INPUT_BASE_KEY: base,
                standard_component_specs.INPUT_CONFIG_KEY: json_format.MessageToJson(
                    example_gen_pb2.Input(splits=splits)
                ),
                FEATURE_SPEC_KEY: exec_properties[FEATURE_SPEC_KEY],
                LOG_FORMAT_KEY: prepared.format,
            },
        )
        examples = artifact_utils.get_single_instance(output_dict[EXAMPLES_KEY])
        examples.set_string_custom_property(
            FINGERPRINT_PROPERTY_NAME, prepared.fingerprint
        )
        if prepared.span is not None:
            examples.set_int_custom_property(SPAN_PROPERTY_NAME, prepared.span)
