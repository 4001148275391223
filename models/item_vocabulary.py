"""The vocabularies that item tables are aligned with."""

import tensorflow_transform as tft

from clickwright.schemas.errors import ConfigError
from clickwright.schemas.spec import (
    CategoricalFeature,
    FeatureSpec,
    IdentityVocabulary,
    LearnedVocabulary,
)


def vocabulary_values(
    spec: FeatureSpec, transform: tft.TFTransformOutput, entity: str
) -> list[str]:
    """Values of a categorical feature's vocabulary as text, in the order of their ids.

    The first has id 1. An empty vocabulary has one entry that no value equals.

    Raises:
        ConfigError: the vocabulary is hashed: it has ids and no values.
    """
    feature = spec.features[entity]
    if isinstance(feature, CategoricalFeature):
        match feature.vocabulary:
            case LearnedVocabulary():
                found = transform.vocabulary_by_name(entity)
                return [value.decode(errors="backslashreplace") for value in found]
            case IdentityVocabulary(size=size):
                return [str(value) for value in range(size)]
    raise ConfigError(
        f"An item table needs the values of `{entity}`, and its vocabulary has none: "
        "it is hashed.",
        where=f"feature spec `{spec.name}`, `features.{entity}.vocabulary`",
        fix="choose `kind: learned` or `kind: identity`",
    )
