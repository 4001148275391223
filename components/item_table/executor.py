"""Reads vocabularies and item data, writes the tables."""

import json
import logging
import pathlib
from typing import Any

import tensorflow_transform as tft
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from clickwright.components.hyperparameters import write_hyperparameters
from clickwright.components.item_table import spec as keys
from clickwright.components.item_table.build_table import build_table
from clickwright.components.item_table.checks import check_item_features
from clickwright.components.source.prepared_files import ITEMS_FILE
from clickwright.models.item_vocabulary import vocabulary_values
from clickwright.models.training.trainer_inputs import ITEM_TABLES, vocabulary_sizes
from clickwright.schemas.errors import ConfigError, storage_error
from clickwright.schemas.spec import AttributeFeature, FeatureSpec

progress = logging.getLogger("clickwright.progress")


class Executor(base_executor.BaseExecutor):
    """Makes the item tables."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes a table an entity, and where they are as hyperparameters.

        Args:
            input_dict: `transform_graph`, one artifact; `prepared`, one, none, or
                absent.
            output_dict: `item_table` and `hyperparameters`, one artifact each.
            exec_properties: as in `ItemTableGenSpec`.

        Raises:
            ConfigError: a feature cannot have a table, or an entity has no item data.
            DataError: item data break a rule.
            MachineError: a table cannot be written.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        spec = FeatureSpec.model_validate_json(exec_properties[keys.FEATURE_SPEC_KEY])
        check_item_features(spec)
        paths = json.loads(exec_properties[keys.ITEMS_KEY])
        for prepared in input_dict.get(keys.PREPARED_KEY, []):
            for entity in spec.item_entities():
                paths.setdefault(entity, str(pathlib.Path(prepared.uri, ITEMS_FILE)))
        transform = tft.TFTransformOutput(
            artifact_utils.get_single_uri(input_dict[keys.TRANSFORM_GRAPH_KEY])
        )
        root = pathlib.Path(
            artifact_utils.get_single_uri(output_dict[keys.ITEM_TABLE_KEY])
        )
        sizes = vocabulary_sizes(spec, transform)
        for name, feature in spec.item_features().items():
            if isinstance(feature, AttributeFeature):
                sizes[name] = 0  # learned here; the rows in question are the entity's
        rows = spec.table_rows(sizes)
        folders: dict[str, str] = {}
        told = []
        for entity in spec.item_entities():
            if entity not in paths:
                raise ConfigError(
                    f"There are no item data of `{entity}`.",
                    where="items",
                    fix=f"give the path of its Parquet as `data.items.{entity}` in the "
                    "run's configuration",
                )
            folder = root / entity
            try:
                folder.mkdir(parents=True)
                table = build_table(
                    spec,
                    entity,
                    vocabulary_values(spec, transform, entity),
                    rows[entity],
                    pathlib.Path(paths[entity]),
                    folder,
                )
            except OSError as error:
                raise storage_error(error, folder) from error
            folders[entity] = str(folder)
            told.append(
                f"{entity}: {table.known:,} of {table.known + table.absent:,} described"
            )
        write_hyperparameters(
            output_dict[keys.HYPERPARAMETERS_KEY], {ITEM_TABLES: folders}
        )
        progress.info("aligned", extra={"detail": "; ".join(told), "fraction": 1.0})
