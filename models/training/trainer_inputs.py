"""What a model reads, as the artifacts before the Trainer say."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow_transform as tft

from clickwright.models.item_vocabulary import vocabulary_values
from clickwright.schemas.discretization_plan import DiscretizationPlan
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.item_table import ItemTable, vocabulary_digest
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.spec import FeatureSpec, LearnedVocabulary

HYPERPARAMETER = "discretization_plan"
"""Key of the Trainer's hyperparameters that holds a plan, as a dict."""
ITEM_TABLES = "item_tables"
"""Key of the Trainer's hyperparameters that holds item tables: a folder an entity."""


@dataclasses.dataclass(frozen=True)
class TrainerInputs:
    """What a model reads.

    Attributes:
        transform: the transform graph.
        plan: of the numeric features; None where there are none.
        tables: folder of each entity's item table.
        digests: of the vocabulary of each of these entities.
        inputs: of the model.
    """

    transform: tft.TFTransformOutput
    plan: DiscretizationPlan | None
    tables: Mapping[str, pathlib.Path]
    digests: Mapping[str, str]
    inputs: Sequence[ModelInput]

    @classmethod
    def of(
        cls,
        spec: FeatureSpec,
        transform_graph: str,
        hyperparameters: Mapping[str, Any] | None,
    ) -> "TrainerInputs":
        """Reads transform graph, plan and item tables.

        Args:
            spec: the feature spec.
            transform_graph: its folder.
            hyperparameters: the Trainer's; the plan is theirs, else the one beside the
                transform graph.

        Raises:
            ConfigError: the plan is not there or of another spec, or an item table is
                not there.
            DataError: a file is damaged.
        """
        transform = tft.TFTransformOutput(transform_graph)
        given = hyperparameters or {}
        plan = _plan(spec, pathlib.Path(transform_graph), given)
        tables = _item_tables(spec, given)
        sizes = vocabulary_sizes(spec, transform)
        for folder in tables.values():
            attributes = ItemTable.read(folder).attributes
            sizes |= {name: column.values for name, column in attributes.items()}
        digests = {
            entity: vocabulary_digest(vocabulary_values(spec, transform, entity))
            for entity in tables
        }
        inputs = spec.model_inputs(sizes, plan.encodings() if plan else None)
        return cls(transform, plan, tables, digests, inputs)


def vocabulary_sizes(
    spec: FeatureSpec, transform: tft.TFTransformOutput
) -> dict[str, int]:
    """Values in each vocabulary that Transform learned, by feature."""
    return {
        name: transform.vocabulary_size_by_name(name)
        for name, feature in spec.vocabulary_features().items()
        if isinstance(feature.vocabulary, LearnedVocabulary)
    }


def _item_tables(
    spec: FeatureSpec, given: Mapping[str, Any]
) -> dict[str, pathlib.Path]:
    """The folder of each entity's item table."""
    folders = given.get(ITEM_TABLES, {})
    for entity in spec.item_entities():
        if entity not in folders:
            raise ConfigError(
                f"The spec has item features of `{entity}`, and there is no item table.",
                where=f"hyperparameters, `{ITEM_TABLES}`",
                fix=f"give the folder that ItemTableGen wrote for `{entity}`",
            )
    return {entity: pathlib.Path(folders[entity]) for entity in spec.item_entities()}


def _plan(
    spec: FeatureSpec, transform_graph: pathlib.Path, given: Mapping[str, Any]
) -> DiscretizationPlan | None:
    """The plan of the spec's numeric features; None where it has none."""
    if not spec.numeric_features():
        return None
    content = given.get(HYPERPARAMETER)
    if content is None:
        plan = DiscretizationPlan.read(transform_graph)
    else:
        plan = DiscretizationPlan.model_validate(content, strict=False)
    plan.check(spec)
    return plan
