"""The component that stops a run on bad data."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts

from clickwright.components.validation.executor import Executor
from clickwright.components.validation.spec import DataValidatorSpec


class DataValidator(base_component.BaseComponent):
    """Stops the run when the data break the schema or have drifted.

    TFX's ExampleValidator writes its findings and lets the run go on. This one
    writes the same `ExampleAnomalies` artifact when all is well, and otherwise ends
    in one message with a line a finding. It also compares

    * the training split with that of earlier good data (`drift` in the spec), and
    * the training split with the other splits (`skew` in the spec).

    Nothing consumes the output, so what must not run on bad data takes this
    component as an upstream node.

    Args:
        statistics: `ExampleStatistics` of the current data.
        schema: `Schema` with domains, presence and comparators.
        baseline_statistics: `ExampleStatistics` of earlier good data, from a
            `Resolver` with `PreviousGoodStatistics`; without it, or when it is
            empty, drift is not checked.
        source: where the rows came from, for messages.
    """

    SPEC_CLASS = DataValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        statistics: types.BaseChannel,
        schema: types.BaseChannel,
        baseline_statistics: types.BaseChannel | None = None,
        *,
        source: str,
    ) -> None:
        super().__init__(
            DataValidatorSpec(
                statistics=statistics,
                schema=schema,
                baseline_statistics=baseline_statistics,
                source=source,
                anomalies=types.Channel(type=standard_artifacts.ExampleAnomalies),
            )
        )
