"""DCN: a cross network beside a dense tower."""

from collections.abc import Sequence

import keras

from clickwright.models.ctr import parts
from clickwright.models.ctr.dcn_params import DCNParams
from clickwright.models.layers.cross_network import CrossNetwork
from clickwright.schemas.model_input import ModelInput


def build_dcn(inputs: Sequence[ModelInput], params: DCNParams) -> keras.Model:
    """`p = sigmoid(w . [x_L ; tower(x_0)] + b)`.

    `x_0` is the concatenation of the embeddings and `x_l = x_0 (w_l . x_{l-1}) + b_l
    + x_{l-1}`. With `V` table rows and `N = F * embedding_dim`, parameters number
    `V D + 2 L N + tower + N + h_n + 1`.

    Args:
        inputs: named tensors that the model reads.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    References:
        Wang et al., Deep & Cross Network for Ad Click Predictions, ADKDD 2017
        (arXiv 1708.05123).
    """
    features = parts.symbolic_inputs(inputs)
    x0 = parts.flatten(parts.embed(features, inputs, params))  # [B, N]
    outputs = [CrossNetwork(params.cross_layers, name="cross")(x0)]
    if params.hidden_units:
        outputs.append(parts.tower(x0, params))
    logit = parts.head(parts.concatenate(outputs))
    return parts.click_model(features, logit, name="dcn")
