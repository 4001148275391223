"""A run on this machine: files on its disk, and ML Metadata in a file."""

import pathlib
from typing import Any

from tfx import types
from tfx import v1 as tfx
from tfx.dsl.components.base import base_node
from tfx.orchestration import metadata

from clickwright.components.evaluation.champion import Champion
from clickwright.components.incremental.warm_start_model import WarmStartModel
from clickwright.components.ingestion.component import LogExampleGen
from clickwright.components.inspection.artifacts import AutoDisReport
from clickwright.components.inspection.previous_report import PreviousReport
from clickwright.components.item_table.component import ItemTableGen
from clickwright.components.validation.baseline import PreviousGoodStatistics
from clickwright.pipeline.config import LoadedConfig
from clickwright.pipeline.inputs import InputFiles
from clickwright.pipeline.outcome import Outcome
from clickwright.pipeline.paths import RunPaths


class LocalSite:
    """A `Site` whose earlier runs ML Metadata knows.

    Args:
        config: the run's configuration.
        files: the log to ingest.
        paths: where artifacts, metadata and published models go.
        schema: the TF Metadata schema that was derived from the spec.
    """

    def __init__(
        self,
        config: LoadedConfig,
        files: InputFiles,
        paths: RunPaths,
        schema: pathlib.Path,
    ) -> None:
        self._config = config
        self._files = files
        self._schema = schema
        self.local = True
        self.pipeline_name = config.run.name
        self.root = str(paths.artifacts)
        self.destination = paths.serving_root(config.run.publish.directory)
        self.checkpoints: str | None = str(paths.checkpoints)
        self.origin: Any = str(files.spans.source if files.spans else files.folder)
        self.connection: Any = metadata.sqlite_metadata_connection_config(
            str(paths.database)
        )
        self.nodes: list[base_node.BaseNode] = []

    def examples(self) -> types.BaseChannel:
        """Reads the log with LogExampleGen."""
        node = LogExampleGen(
            str(self._files.folder),
            self._config.spec,
            self._files.splits,
            self._files.format,
            self._files.span,
            {name: str(path) for name, path in self._config.event_files().items()},
        )
        return self._output(node, "examples")

    def schema(self) -> types.BaseChannel:
        """Imports the schema file."""
        node = tfx.components.ImportSchemaGen(schema_file=str(self._schema))
        return self._output(node, "schema")

    def previous_statistics(self, statistics: types.BaseChannel) -> types.BaseChannel:
        """Asks ML Metadata for statistics of good data."""
        node = tfx.dsl.Resolver(
            strategy_class=PreviousGoodStatistics,
            statistics=statistics,
            baseline_statistics=tfx.dsl.Channel(
                type=tfx.types.standard_artifacts.ExampleStatistics
            ),
        ).with_id("PreviousStatistics")
        return self._output(node, "baseline_statistics")

    def base_model(self) -> types.BaseChannel | None:
        """Asks ML Metadata for the model whose unseen rows the run reads."""
        spans = self._files.spans
        if spans is None or spans.choice.parent is None:
            return None
        artifacts = tfx.types.standard_artifacts
        node = tfx.dsl.Resolver(
            strategy_class=WarmStartModel,
            config={"span": spans.choice.parent},
            base_model=tfx.dsl.Channel(type=artifacts.Model),
            model_blessing=tfx.dsl.Channel(type=artifacts.ModelBlessing),
            infra_blessing=tfx.dsl.Channel(type=artifacts.InfraBlessing),
        ).with_id("WarmStartModel")
        return self._output(node, "base_model")

    def item_tables(
        self, transform_graph: types.BaseChannel
    ) -> types.BaseChannel | None:
        """Makes the tables of item data on this machine's disk."""
        if not self._files.items:
            return None
        node = ItemTableGen(
            transform_graph,
            self._config.spec,
            {entity: item.path for entity, item in self._files.items.items()},
            self._files.item_fingerprints(),
        )
        return self._output(node, "hyperparameters")

    def lend_item_tables(self, reader: base_node.BaseNode) -> None:
        """Does nothing: every component sees this machine's disk."""

    def previous_report(self, examples: types.BaseChannel) -> types.BaseChannel:
        """Asks ML Metadata for the report of other data."""
        node = tfx.dsl.Resolver(
            strategy_class=PreviousReport,
            examples=examples,
            previous_report=tfx.dsl.Channel(type=AutoDisReport),
        ).with_id("PreviousReport")
        return self._output(node, "previous_report")

    def champion(self, model: types.BaseChannel) -> types.BaseChannel:
        """Asks ML Metadata for the model that was blessed last."""
        artifacts = tfx.types.standard_artifacts
        node = tfx.dsl.Resolver(
            strategy_class=Champion,
            model=model,
            baseline_model=tfx.dsl.Channel(type=artifacts.Model),
            model_blessing=tfx.dsl.Channel(type=artifacts.ModelBlessing),
            infra_blessing=tfx.dsl.Channel(type=artifacts.InfraBlessing),
        ).with_id("LatestBlessedModel")
        return self._output(node, "baseline_model")

    def conclude(self, outcome: Outcome) -> None:
        """Does nothing: ML Metadata has it all."""

    def _output(self, node: base_node.BaseNode, key: str) -> types.BaseChannel:
        self.nodes.append(node)
        channel: types.BaseChannel = node.outputs[key]
        return channel
