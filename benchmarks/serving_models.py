"""Models of the simulated shop as the product exports them, with random weights.

How fast a model answers depends on its sizes and not on what it has learned.
"""

import pathlib
import shutil
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from run_component import run_component

from clickwright.schemas.marketplace.source import MarketplaceOptions, MarketplaceSource
from clickwright.schemas.spec import FeatureSpec, SequenceFeature

MODELS = ("deepfm", "dcnv2")
TOWER = (256, 128, 64)
"""The tower that the comparison of models on the shop trains."""
_EMBEDDING_DIM = 16
_STDDEV = 0.1  # of embeddings: the scores of two items differ
_GOLDEN_ROWS = 32
_BATCH_SIZES = (1, 8, 32, 128)


class ServingModels:
    """The shop's log, its transform graph, and models of them.

    Args:
        folder: where everything goes; what is there is overwritten.
        impressions: rows of the log.
        history: events of a history at most; 0: the models know no histories.

    Attributes:
        spec: what the columns mean.
    """

    def __init__(self, folder: pathlib.Path, impressions: int, history: int) -> None:
        self._folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        source = MarketplaceSource(MarketplaceOptions(impressions=impressions))
        self._prepared = source.prepare(None, folder / "log").directory
        self.spec = _with_history(source.spec(), history)
        self._graph, self._tables = self._transform()

    def log(self) -> pa.Table:
        """The log, with the columns that requests hold."""
        import pyarrow.parquet as pq

        columns = list(self.spec.serving_columns())
        return pq.read_table(self._prepared / "all", columns=columns)

    def export(self, name: str, tower: Sequence[int] = TOWER) -> pathlib.Path:
        """Builds a model and exports it as version 1; returns the folder of versions.

        Its warm-up file holds what the Trainer writes.
        """
        import keras
        import tensorflow_transform as tft

        from clickwright.models import registry
        from clickwright.models.click_requests import write_click_requests
        from clickwright.models.export import export
        from clickwright.models.item_tables import fill_item_tables
        from clickwright.models.request_rows import RequestRows
        from clickwright.models.training.trainer_inputs import vocabulary_sizes
        from clickwright.schemas.discretization_plan import DiscretizationPlan
        from clickwright.schemas.serving_files import GOLDEN_ROWS_FILE

        keras.utils.set_random_seed(0)
        transform = tft.TFTransformOutput(str(self._graph))
        plan = DiscretizationPlan.read(self._graph)
        inputs = self.spec.model_inputs(
            vocabulary_sizes(self.spec, transform), plan.encodings()
        )
        params = {
            "embedding_dim": _EMBEDDING_DIM,
            "embedding_stddev": _STDDEV,
            "hidden_units": tuple(tower),
        }
        model = registry.build(name, inputs, params)
        fill_item_tables(model, self._tables)
        target = self._folder / "models" / name / "1"
        export(registry.fold(name, model), transform, self.spec, target, plan=plan)
        rows = RequestRows.read(
            self._graph / GOLDEN_ROWS_FILE, _GOLDEN_ROWS, _BATCH_SIZES
        )
        write_click_requests(model, transform, self.spec, target, rows, health=True)
        return target.parent

    def _transform(self) -> tuple[pathlib.Path, dict[str, pathlib.Path]]:
        """Runs ingestion, Transform and the item tables as the pipeline does."""
        import pyarrow.parquet as pq
        import tensorflow_transform as tft
        from tfx.types import channel_utils, standard_artifacts

        from clickwright.components.discretizer.artifacts import DiscretizationPlan
        from clickwright.components.discretizer.plan_of import plan_of
        from clickwright.components.ingestion.component import LogExampleGen
        from clickwright.components.item_table.build_table import build_table
        from clickwright.components.transform.component import SpecTransform
        from clickwright.models.item_vocabulary import vocabulary_values
        from clickwright.models.training.trainer_inputs import vocabulary_sizes
        from clickwright.schemas.metadata import write_schema

        generator = LogExampleGen(str(self._prepared), self.spec)
        outputs, _ = run_component(generator, {}, self._folder / "examples")
        schema, plan = standard_artifacts.Schema(), DiscretizationPlan()
        for artifact, name in ((schema, "schema"), (plan, "plan")):
            artifact.uri = str(self._folder / name)
            pathlib.Path(artifact.uri).mkdir()
        write_schema(self.spec, pathlib.Path(schema.uri) / "schema.pbtxt")
        columns = [self.spec.column_of(name) for name in self.spec.numeric_features()]
        numbers = pq.read_table(self._prepared / "all", columns=columns)
        plan_of(self.spec, {name: numbers[name].to_numpy() for name in columns}).write(
            pathlib.Path(plan.uri)
        )
        inputs = {"examples": outputs["examples"], "schema": [schema], "plan": [plan]}
        channels = {k: channel_utils.as_channel(v) for k, v in inputs.items()}
        component = SpecTransform(**channels, spec=self.spec)
        outputs, _ = run_component(component, inputs, self._folder / "transform")
        graph = pathlib.Path(outputs["transform_graph"][0].uri)

        transform = tft.TFTransformOutput(str(graph))
        rows = self.spec.table_rows(vocabulary_sizes(self.spec, transform))
        tables = {}
        for entity in self.spec.item_entities():
            tables[entity] = self._folder / "tables" / entity
            tables[entity].mkdir(parents=True)
            build_table(
                self.spec,
                entity,
                vocabulary_values(self.spec, transform, entity),
                rows[entity],
                self._prepared / "items.parquet",
                tables[entity],
            )
        return graph, tables


def _with_history(spec: FeatureSpec, length: int) -> FeatureSpec:
    features: dict[str, Any] = {
        name: feature.model_copy(update={"max_length": length})
        if isinstance(feature, SequenceFeature)
        else feature
        for name, feature in spec.features.items()
        if length or not isinstance(feature, SequenceFeature)
    }
    return spec.model_copy(update={"features": features})
