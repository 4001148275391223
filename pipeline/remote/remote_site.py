"""A run in containers: Vertex AI, or Kubeflow."""

from typing import Any

from tfx import types
from tfx.dsl.components.base import base_node
from tfx.orchestration import data_types

from clickwright.components.ingestion.component import LogExampleGen
from clickwright.components.ingestion.prepared_component import PreparedExampleGen
from clickwright.components.item_table.component import ItemTableGen
from clickwright.components.item_table.spec import ITEM_TABLE_KEY
from clickwright.components.ledger.reader_component import LedgerReader
from clickwright.components.ledger.writer_component import LedgerWriter
from clickwright.components.source.component import SourceGen
from clickwright.components.source.source_facts import SourceFacts
from clickwright.components.spec_schema.component import SpecSchemaGen
from clickwright.pipeline.config import LoadedConfig
from clickwright.pipeline.outcome import Outcome
from clickwright.pipeline.remote.submission import DATA, LATEST, SPAN
from clickwright.schemas.errors import ConfigError


class RemoteSite:
    """A `Site` of container tasks alone: no resolver, no path of this machine.

    SourceGen brings the data, which then go by channels; what earlier runs left comes
    from the ledger.

    Args:
        config: the run's configuration, with a section `remote`.

    Raises:
        ConfigError: there is no such section, or no address to publish to.
    """

    def __init__(self, config: LoadedConfig) -> None:
        remote, directory = config.run.remote, config.run.publish.directory
        if remote is None or directory is None:
            missing = "remote" if remote is None else "publish.directory"
            raise ConfigError(
                f"`{missing}` is missing, which a run in containers needs.",
                where=str(config.path),
                fix=f"give `{missing}` in the configuration",
            )
        self._config = config
        self._ledger = remote.ledger_address
        self.local = False
        self.pipeline_name = config.remote_name
        self.root = remote.pipeline_root
        self.destination = directory
        # A container's disk ends with it.
        self.checkpoints: str | None = None
        data = data_types.RuntimeParameter(DATA, ptype=str, default=remote.data or "")
        self.origin: Any = data
        self.connection: Any = None
        span = data_types.RuntimeParameter(SPAN, ptype=str, default=LATEST)
        run = config.run
        source = SourceGen(
            SourceFacts(
                spec=config.log_spec,
                dataset=run.data.dataset,
                options=run.data.options,
                format=run.data.format,
                in_spans=run.data.span,
                incremental=run.incremental,
                ledger=self._ledger if run.incremental else "",
                pipeline=self.pipeline_name if run.incremental else "",
            ),
            data,
            span,
        )
        self._prepared: types.BaseChannel = source.outputs["prepared"]
        self._earlier = LedgerReader(
            self._prepared,
            ledger=self._ledger,
            name=self.pipeline_name,
            config=config.sha256,
        )
        self._item_table: types.BaseChannel | None = None
        self.nodes: list[base_node.BaseNode] = [source, self._earlier]

    def examples(self) -> types.BaseChannel:
        """Reads the prepared log."""
        node = PreparedExampleGen(self._prepared, self._config.spec)
        return self._output(node.with_id(LogExampleGen.__name__), "examples")

    def schema(self) -> types.BaseChannel:
        """Derives the schema in a container."""
        return self._output(SpecSchemaGen(self._config.spec), "schema")

    def previous_statistics(self, statistics: types.BaseChannel) -> types.BaseChannel:
        """Those of the ledger."""
        return self._of_ledger("baseline_statistics")

    def base_model(self) -> types.BaseChannel | None:
        """That of the ledger whose unseen rows SourceGen brought."""
        incremental = self._config.run.incremental
        if incremental is None or not incremental.warm_start:
            return None
        return self._of_ledger("base_model")

    def item_tables(
        self, transform_graph: types.BaseChannel
    ) -> types.BaseChannel | None:
        """Makes the tables of the item data that SourceGen brought."""
        if not self._config.spec.item_entities():
            return None
        node = ItemTableGen(
            transform_graph, self._config.spec, {}, {}, prepared=self._prepared
        )
        self._item_table = node.outputs[ITEM_TABLE_KEY]
        return self._output(node, "hyperparameters")

    def lend_item_tables(self, reader: base_node.BaseNode) -> None:
        """Makes them an input, so that the launcher brings them.

        They then lie at the path that the hyperparameters say: a launcher makes the
        same path of an address in every container.
        """
        if self._item_table is not None:
            reader.inputs[ITEM_TABLE_KEY] = self._item_table

    def previous_report(self, examples: types.BaseChannel) -> types.BaseChannel:
        """That of the ledger."""
        return self._of_ledger("previous_report")

    def champion(self, model: types.BaseChannel) -> types.BaseChannel:
        """That of the ledger."""
        return self._of_ledger("baseline_model")

    def conclude(self, outcome: Outcome) -> None:
        """Adds the run to the ledger, when all else has ended well."""
        node = LedgerWriter(
            self._prepared,
            outcome.statistics,
            outcome.model,
            outcome.blessing,
            outcome.infra_blessing,
            outcome.report,
            ledger=self._ledger,
            name=self.pipeline_name,
            config=self._config.sha256,
            keep=self._config.run.publish.keep,
        )
        node.add_upstream_node(outcome.last)
        self.nodes.append(node)

    def _of_ledger(self, key: str) -> types.BaseChannel:
        channel: types.BaseChannel = self._earlier.outputs[key]
        return channel

    def _output(self, node: base_node.BaseNode, key: str) -> types.BaseChannel:
        self.nodes.append(node)
        channel: types.BaseChannel = node.outputs[key]
        return channel
