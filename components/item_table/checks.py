"""What a feature spec may ask of item tables, checked before any work."""

import importlib.util

from clickwright.schemas.errors import ConfigError
from clickwright.schemas.spec import (
    CategoricalFeature,
    EmbeddingFeature,
    FeatureSpec,
    HashVocabulary,
    TextVectors,
)

PACKAGES = {"sentence_transformers": "sentence-transformers", "keras_hub": "keras-hub"}
"""What to install for the encoders of texts that do not come with the product."""


def check_item_features(spec: FeatureSpec) -> None:
    """Refuses item features that no table can hold, or that need absent packages.

    Raises:
        ConfigError: names the feature, the value received and the rule.
    """
    for name, feature in spec.item_features().items():
        where = f"feature spec `{spec.name}`, `features.{name}`"
        entity = spec.features[feature.of]
        if isinstance(entity, CategoricalFeature) and isinstance(
            entity.vocabulary, HashVocabulary
        ):
            raise ConfigError(
                f"`of` names `{feature.of}`, whose vocabulary is hashed: several of its "
                "values share an id, so that no row of a table is one entity's.",
                where=where,
                fix=f"give `{feature.of}` a vocabulary of kind `learned` or `identity`",
            )
        if isinstance(feature, EmbeddingFeature) and isinstance(
            feature.source, TextVectors
        ):
            _check_text(feature.source, where)


def _check_text(source: TextVectors, where: str) -> None:
    package = PACKAGES.get(source.encoder)
    if package is None:
        if source.model is not None:
            raise ConfigError(
                f"`source.model` is given, but `{source.encoder}` is fitted on the "
                f"texts. Received: {source.model!r}.",
                where=where,
                fix="leave `source.model` out, or name another `source.encoder`",
            )
        return
    if source.model is None:
        raise ConfigError(
            f"`source.encoder: {source.encoder}` needs `source.model`, the folder or "
            "name of a pretrained model. Received: none.",
            where=where,
            fix="give `source.model`, or take `source.encoder: lsa`",
        )
    if importlib.util.find_spec(source.encoder) is None:
        raise ConfigError(
            f"`source.encoder: {source.encoder}` needs the package `{package}`, which "
            "is not installed.",
            where=where,
            fix=f"install it (`pip install {package}`), or take `source.encoder: lsa`",
        )
