"""The component that aligns item data with the vocabularies."""

import json
import pathlib
from collections.abc import Mapping

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts

from clickwright.components.item_table.artifacts import ItemTable
from clickwright.components.item_table.executor import Executor
from clickwright.components.item_table.spec import ItemTableGenSpec
from clickwright.schemas.spec import FeatureSpec


class ItemTableGen(base_component.BaseComponent):
    """Makes the item table of every entity with `embedding` or `attribute` features.

    Args:
        transform_graph: `TransformGraph`, which holds the learned vocabularies.
        spec: the feature spec.
        items: item data by entity: a Parquet file, or a folder of them. They hold a
            column of the entity's ids, named as in the log, and one a feature.
        fingerprints: digest of the item data by entity; another one means other data.
        prepared: `PreparedData` that hold the item data of the other entities; None
            where there are none.

    Outputs:
        `item_table`: `ItemTable`, a folder an entity as `schemas.item_table` has it.
        `hyperparameters`: `HyperParameters` for TFX's Trainer, which hands them to
        `run_fn`: the tables' folders by entity, under `item_tables`.
    """

    SPEC_CLASS = ItemTableGenSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        transform_graph: types.BaseChannel,
        spec: FeatureSpec,
        items: Mapping[str, pathlib.Path],
        fingerprints: Mapping[str, str],
        prepared: types.BaseChannel | None = None,
    ) -> None:
        paths = {entity: str(path) for entity, path in items.items()}
        super().__init__(
            ItemTableGenSpec(
                transform_graph=transform_graph,
                prepared=prepared,
                feature_spec=spec.model_dump_json(),
                items=json.dumps(paths, sort_keys=True),
                fingerprints=json.dumps(dict(fingerprints), sort_keys=True),
                item_table=types.Channel(type=ItemTable),
                hyperparameters=types.Channel(type=standard_artifacts.HyperParameters),
            )
        )
