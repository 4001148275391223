"""The component that remembers earlier runs."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts

from clickwright.components.inspection.artifacts import AutoDisReport
from clickwright.components.ledger.reader_executor import ReaderExecutor
from clickwright.components.ledger.reader_spec import LedgerReaderSpec


class LedgerReader(base_component.BaseComponent):
    """Gives what earlier runs left, where ML Metadata cannot be asked.

    Args:
        prepared: `PreparedData` of this run.
        ledger: address of the ledger: a folder, or `s3://` or `gs://`.
        name: the pipeline.
        config: digest of the run's configuration and feature spec.

    Outputs:
        `baseline_statistics`, `previous_report`, `baseline_model`, which the new
        model has to beat, and `base_model`, from which a run by spans goes on; what
        is not there has the custom property `absent`.
    """

    SPEC_CLASS = LedgerReaderSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ReaderExecutor)

    def __init__(
        self, prepared: types.BaseChannel, *, ledger: str, name: str, config: str
    ) -> None:
        artifacts = standard_artifacts
        super().__init__(
            LedgerReaderSpec(
                prepared=prepared,
                ledger=ledger,
                name=name,
                config=config,
                baseline_statistics=types.Channel(type=artifacts.ExampleStatistics),
                previous_report=types.Channel(type=AutoDisReport),
                baseline_model=types.Channel(type=artifacts.Model),
                base_model=types.Channel(type=artifacts.Model),
            )
        )
