"""IPNN: a dense tower on embeddings and their inner products."""

from collections.abc import Sequence

import keras

from clickwright.models.ctr import parts
from clickwright.models.ctr.ipnn_params import IPNNParams
from clickwright.models.layers.inner_products import InnerProducts
from clickwright.schemas.model_input import ModelInput


def build_ipnn(inputs: Sequence[ModelInput], params: IPNNParams) -> keras.Model:
    """`p = sigmoid(tower([x0, p]))`, `p_ij = <e_i, e_j>`.

    `x0` are the concatenated embeddings, `p` the inner products of all
    `P = F (F - 1) / 2` pairs of fields. `P h_1` parameters more than the plain
    network.

    Args:
        inputs: named tensors that the model reads, at least two.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    Raises:
        ConfigError: there is one input.

    References:
        Qu et al., Product-based Neural Networks for User Response Prediction,
        ICDM 2016 (arXiv 1611.00144). Trained and laid out as in FuxiCTR v1.1.0, which
        the BARS figures come from.
    """
    parts.need_pairs(inputs, "ipnn")
    features = parts.symbolic_inputs(inputs)
    embeddings = parts.embed(features, inputs, params)  # [B, F, D]
    products = InnerProducts(name="products")(embeddings)  # [B, P]
    x = parts.concatenate([parts.flatten(embeddings), products])  # [B, N + P]
    logit = parts.head(parts.tower(x, params))
    return parts.click_model(features, logit, name="ipnn")
