"""The vocabularies whose tables grow from span to span."""

import json
import pathlib
from collections.abc import Mapping

import tensorflow_transform as tft

from clickwright.schemas.errors import ConfigError
from clickwright.schemas.spec import AttributeFeature, FeatureSpec, LearnedVocabulary


def learned_vocabularies(
    spec: FeatureSpec,
    transform: tft.TFTransformOutput,
    item_tables: Mapping[str, pathlib.Path],
) -> dict[str, list[str]]:
    """Values of every learned vocabulary in the order of their ids from 1 on, by table.

    Args:
        spec: the feature spec.
        transform: holds those of the log.
        item_tables: folder of each entity's item table, which hold those of
            attributes.

    Raises:
        ConfigError: an item table's vocabulary cannot be read.
    """
    found: dict[str, list[str]] = {}
    for name, feature in spec.vocabulary_features().items():
        if isinstance(feature.vocabulary, LearnedVocabulary):
            values = transform.vocabulary_by_name(name)
            found[name] = [v.decode("utf-8", "surrogateescape") for v in values]
    for name, feature in spec.item_features().items():
        if isinstance(feature, AttributeFeature):
            found[name] = _attribute_values(item_tables[feature.of], name)
    return found


def _attribute_values(folder: pathlib.Path, name: str) -> list[str]:
    path = folder / f"{name}.values.json"
    try:
        return [str(value) for value in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"The vocabulary of `{name}` cannot be read: {error}.",
            where=str(path),
            fix="run the item table component again",
        ) from error
