"""KPNN: a dense tower on embeddings and their products through kernels."""

from collections.abc import Sequence

import keras

from clickwright.models.ctr import parts
from clickwright.models.ctr.kpnn_params import KPNNParams
from clickwright.models.layers.kernel_products import KernelProducts
from clickwright.schemas.model_input import ModelInput


def build_kpnn(inputs: Sequence[ModelInput], params: KPNNParams) -> keras.Model:
    """`p = sigmoid(tower([x0, p]))`, `p_ij = <e_i K_ij, e_j>`.

    Kernels start as identities, with which the model is IPNN. They add `P D^2` (`mat`),
    `P D` (`vec`) or `P` (`num`) parameters to those of IPNN.

    Args:
        inputs: named tensors that the model reads, at least two.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    Raises:
        ConfigError: there is one input.

    References:
        Qu et al., Product-based Neural Networks for User Response Prediction over
        Multi-field Categorical Data, TOIS 2018 (arXiv 1807.00311).
    """
    parts.need_pairs(inputs, "kpnn")
    features = parts.symbolic_inputs(inputs)
    embeddings = parts.embed(features, inputs, params)  # [B, F, D]
    products = KernelProducts(
        params.kernel,
        unit_kernel=params.unit_kernel,
        kernel_regularizer=keras.regularizers.L2(params.kernel_l2 / 2),
        name="products",
    )(embeddings)  # [B, P]
    x = parts.concatenate([parts.flatten(embeddings), products])  # [B, N + P]
    logit = parts.head(parts.tower(x, params))
    return parts.click_model(features, logit, name="kpnn")
