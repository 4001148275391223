"""Where the numeric fields of a model are embedded."""

import keras

from clickwright.models.layers.fused_embedding import FusedEmbedding
from clickwright.models.layers.numeric.numeric_embedding import NumericEmbedding


def numeric_embedding_of(model: keras.Model) -> NumericEmbedding | None:
    """The layer that embeds a model's numeric fields; None where none has an encoder.

    Of several, the first of more than one value: first-order terms have one.
    """
    for layer in model._flatten_layers():
        if (
            isinstance(layer, FusedEmbedding)
            and layer.width > 1
            and layer.numeric is not None
        ):
            return layer.numeric
    return None
