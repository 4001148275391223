"""The vocabularies whose tables grow from span to span."""

import json
import pathlib
from collections.abc import Mapping

import tensorflow_transform as tft

from clickwright.schemas.errors import ConfigError
from clickwright.schemas.spec import (
    AttributeFeature,
    CategoricalFeature,
    FeatureSpec,
    LearnedVocabulary,
    MultiHotFeature,
)


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
    return {
        name: _attribute_values(item_tables[feature.of], name)
        if isinstance(feature := spec.features[name], AttributeFeature)
        else [
            value.decode("utf-8", "surrogateescape")
            for value in transform.vocabulary_by_name(name)
        ]
        for name in grown_tables(spec)
    }


def grown_tables(spec: FeatureSpec) -> dict[str, LearnedVocabulary]:
    """The tables whose vocabularies are learned, and what the spec says of these."""
    found = {}
    for name, feature in spec.features.items():
        match feature:
            case (
                CategoricalFeature(vocabulary=LearnedVocabulary() as vocabulary)
                | MultiHotFeature(vocabulary=LearnedVocabulary() as vocabulary)
                | AttributeFeature(vocabulary=vocabulary)
            ):
                found[name] = vocabulary
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
