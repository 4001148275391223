"""The component that lets later runs remember this one."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec

from clickwright.components.ledger.writer_executor import WriterExecutor
from clickwright.components.ledger.writer_spec import LedgerWriterSpec


class LedgerWriter(base_component.BaseComponent):
    """Keeps a run's good statistics, its report, and its model if it was blessed.

    They are copies: artifacts may be cleared away. Nothing consumes its output, so it
    takes what must have ended well as upstream nodes.

    Args:
        prepared: `PreparedData` of the run.
        statistics: `ExampleStatistics` that were found good.
        model: the `Model`.
        model_blessing: its `ModelBlessing`.
        infra_blessing: its `InfraBlessing`; None where no server tried it.
        report: the `AutoDisReport`; None without numeric features.
        ledger: address of the ledger: a folder, or `s3://` or `gs://`.
        name: the pipeline.
        config: digest of the run's configuration and feature spec.
        keep: how many entries stay, and how many that hold a model.
    """

    SPEC_CLASS = LedgerWriterSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(WriterExecutor)

    def __init__(
        self,
        prepared: types.BaseChannel,
        statistics: types.BaseChannel,
        model: types.BaseChannel,
        model_blessing: types.BaseChannel,
        infra_blessing: types.BaseChannel | None = None,
        report: types.BaseChannel | None = None,
        *,
        ledger: str,
        name: str,
        config: str,
        keep: int = 5,
    ) -> None:
        super().__init__(
            LedgerWriterSpec(
                prepared=prepared,
                statistics=statistics,
                model=model,
                model_blessing=model_blessing,
                infra_blessing=infra_blessing,
                report=report,
                ledger=ledger,
                name=name,
                config=config,
                keep=keep,
            )
        )
