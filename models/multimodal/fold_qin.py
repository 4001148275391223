"""A trained QIN with its matrices multiplied out, for serving."""

import keras

from clickwright.models.layers.folded_quadratic import FoldedQuadratic
from clickwright.models.layers.folded_target_attention import FoldedTargetAttention
from clickwright.models.layers.fused_embedding import FusedEmbedding
from clickwright.models.layers.item_attributes import ItemAttributes
from clickwright.models.layers.item_vectors import ItemVectors
from clickwright.models.layers.quadratic import Quadratic
from clickwright.models.layers.sparse_target_attention import SparseTargetAttention

_TABLES = (FusedEmbedding, ItemAttributes, ItemVectors)


def fold(model: keras.Model) -> keras.Model:
    """Returns a model that scores as a trained QIN does, by fewer products.

    The `R` rows of a quadratic layer and its norm become one matrix, which takes `R`
    times fewer products; the attention's four projections become two `[d, d]`
    matrices, and where one history serves many targets it is multiplied with them
    once. Scores agree within 1e-5 in float32. Dropout is gone: the folded model is
    not for training.

    Args:
        model: a model that `build_qin` made; stays as it is. The folded model looks up
            in the same tables, not in copies of them.
    """

    def folded(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, SparseTargetAttention):
            return FoldedTargetAttention.of(layer)
        if isinstance(layer, Quadratic):
            return FoldedQuadratic.of(layer)
        if isinstance(layer, _TABLES):
            return layer
        return type(layer).from_config(layer.get_config())

    cheaper = keras.models.clone_model(model, clone_function=folded)
    for layer in model.layers:
        again = cheaper.get_layer(layer.name)
        if type(again) is type(layer) and again is not layer:
            again.set_weights(layer.get_weights())
    return cheaper
