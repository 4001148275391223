"""FGCNN: generates fields by a convolutional network and classifies them by IPNN."""

from collections.abc import Sequence

import keras
from keras import ops

from clickwright.models.ctr import parts
from clickwright.models.ctr.fgcnn_params import FGCNNParams
from clickwright.models.layers.feature_generation import FeatureGeneration
from clickwright.models.layers.inner_products import InnerProducts
from clickwright.schemas.model_input import ModelInput


def build_fgcnn(inputs: Sequence[ModelInput], params: FGCNNParams) -> keras.Model:
    """`p = sigmoid(tower([x, p]))`, `x` and `p` of raw and generated fields.

    Fields are generated from embeddings of their own (`share_embedding` uses the
    tower's), so that generation does not disturb the raw ones; both lie in one table,
    `[V, 2 D]`. `x` are the embeddings of all `T = F + sum_l H_l * new_maps` fields, `p`
    their `T (T - 1) / 2` inner products.

    Args:
        inputs: named tensors that the model reads, at least two.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    Raises:
        ConfigError: there is one input.

    References:
        Liu et al., Feature Generation by Convolutional Neural Network for
        Click-Through Rate Prediction, WWW 2019 (arXiv 1904.04447). Laid out as in
        FuxiCTR v1.1.0.
    """
    parts.need_pairs(inputs, "fgcnn")
    features = parts.symbolic_inputs(inputs)
    fields = parts.embed(features, inputs, params, width=params.table_width)
    if params.channels:
        source = fields  # [B, F, D]
        if not params.share_embedding:
            fields, source = ops.split(fields, 2, axis=-1)  # [B, F, 2D]
        generated = FeatureGeneration(
            params.channels,
            kernel_height=params.kernel_height,
            pooling=params.pooling,
            new_maps=params.new_maps,
            batch_norm=params.conv_batch_norm,
            name="generated",
        )(source)  # [B, T - F, D]
        fields = keras.layers.Concatenate(axis=1, name="fields")([fields, generated])
    products = InnerProducts(name="products")(fields)  # [B, T (T - 1) / 2]
    x = parts.concatenate([parts.flatten(fields), products])
    logit = parts.head(parts.tower(x, params))
    return parts.click_model(features, logit, name="fgcnn")
