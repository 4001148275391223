"""What `LogExampleGen` resolves before it decides whether it must run."""

from typing import Any

from tfx.components.example_gen import driver, utils
from tfx.orchestration import data_types
from tfx.types import standard_component_specs
from tfx.utils import io_utils

from clickwright.components.ingestion.event_files import event_files
from clickwright.components.ingestion.spec import FEATURE_SPEC_KEY
from clickwright.schemas.errors import DataError
from clickwright.schemas.spec import FeatureSpec


class LogExampleGenDriver(driver.FileBasedDriver):
    """TFX's file-based driver, which says in our words that a span is not there.

    It finds the latest span and fingerprints the files, those of events too;
    unchanged files and an unchanged feature spec make the run a cached one.
    """

    def resolve_exec_properties(
        self,
        exec_properties: dict[str, Any],
        pipeline_info: data_types.PipelineInfo,
        component_info: data_types.ComponentInfo,
    ) -> dict[str, Any]:
        """Fills span, fingerprint and file patterns into the execution properties.

        Raises:
            DataError: no folder fits the pattern, or the splits disagree on the
                latest span.
        """
        try:
            resolved = super().resolve_exec_properties(
                exec_properties, pipeline_info, component_info
            )
        except ValueError as error:
            raise DataError(
                f"The span to read cannot be told: {error}.",
                where=str(exec_properties[standard_component_specs.INPUT_BASE_KEY]),
                fix="lay the files into `span-<number>/<split>/`, for every split",
            ) from error
        spec = FeatureSpec.model_validate_json(resolved[FEATURE_SPEC_KEY])
        found: list[str] = [resolved[utils.FINGERPRINT_PROPERTY_NAME]]
        found += [
            io_utils.generate_fingerprint(f"events-{name}", path)
            for name, path in event_files(spec, resolved).items()
        ]
        resolved[utils.FINGERPRINT_PROPERTY_NAME] = "\n".join(found)
        return dict(resolved)
