"""The encoder that a feature asks for."""

import pathlib

from clickwright.components.item_table.vector_encoder import VectorEncoder
from clickwright.schemas.spec import EmbeddingFeature, ImageVectors, TextVectors


def encoder_of(
    name: str, feature: EmbeddingFeature, folder: pathlib.Path
) -> VectorEncoder:
    """Makes the encoder of a feature with a `source`.

    Each encoder's libraries are imported only where it is asked for. The feature has
    passed `check_item_features`.

    Args:
        name: the feature's name.
        feature: the feature.
        folder: folder that paths in the item data are relative to.

    Raises:
        ConfigError: a pretrained model cannot be loaded.
    """
    match feature.source:
        case ImageVectors() as source:
            from clickwright.components.item_table.image_encoder import ImageEncoder

            return ImageEncoder(source, folder, name)
        case TextVectors(encoder="sentence_transformers", model=str(model)):
            from clickwright.components.item_table.sentence_transformers_encoder import (
                SentenceTransformersEncoder,
            )

            return SentenceTransformersEncoder(model, name)
        case TextVectors(encoder="keras_hub", model=str(model)):
            from clickwright.components.item_table.keras_hub_encoder import (
                KerasHubEncoder,
            )

            return KerasHubEncoder(model, name)
        case TextVectors(encoder="lsa"):
            from clickwright.components.item_table.lsa_encoder import LsaEncoder

            return LsaEncoder(feature.width, name)
    raise ValueError(f"`source` must name an encoder. Received: {feature.source!r}")
