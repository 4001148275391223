"""What `LogExampleGen` resolves before it decides whether it must run."""

from typing import Any

from tfx.components.example_gen import driver
from tfx.orchestration import data_types
from tfx.types import standard_component_specs

from clickwright.schemas.errors import DataError


class LogExampleGenDriver(driver.FileBasedDriver):
    """TFX's file-based driver, which says in our words that a span is not there.

    It finds the latest span and fingerprints the files; unchanged files and an
    unchanged feature spec make the run a cached one.
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
            return super().resolve_exec_properties(
                exec_properties, pipeline_info, component_info
            )
        except ValueError as error:
            raise DataError(
                f"The span to read cannot be told: {error}.",
                where=str(exec_properties[standard_component_specs.INPUT_BASE_KEY]),
                fix="lay the files into `span-<number>/<split>/`, for every split",
            ) from error
