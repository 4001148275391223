"""OPNN: a dense tower on embeddings and their outer products."""

from collections.abc import Sequence

import keras

from clickwright.models.ctr import parts
from clickwright.models.ctr.opnn_params import OPNNParams
from clickwright.models.layers.kernel_products import KernelProducts
from clickwright.models.layers.summed_outer_product import SummedOuterProduct
from clickwright.schemas.model_input import ModelInput


def build_opnn(inputs: Sequence[ModelInput], params: OPNNParams) -> keras.Model:
    """`p = sigmoid(tower([x0, p]))` with one of two kinds of products:

    * `pairs`: `p_ij = <e_i e_j^T, K_ij> = e_i^T K_ij e_j`, kernels Glorot-normal;
      `P D^2` parameters more than IPNN;
    * `sum`: `p = (sum_f e_f) (sum_f e_f)^T`, all outer products at once; no kernels.

    Args:
        inputs: named tensors that the model reads, at least two.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    Raises:
        ConfigError: there is one input.

    References:
        Qu et al., Product-based Neural Networks for User Response Prediction,
        ICDM 2016 (arXiv 1611.00144).
    """
    parts.need_pairs(inputs, "opnn")
    features = parts.symbolic_inputs(inputs)
    embeddings = parts.embed(features, inputs, params)  # [B, F, D]
    products = (
        SummedOuterProduct(name="products")
        if params.products == "sum"
        else KernelProducts(
            "mat",
            kernel_initializer="glorot_normal",
            kernel_regularizer=keras.regularizers.L2(params.kernel_l2 / 2),
            name="products",
        )
    )(embeddings)  # [B, D * D] or [B, P]
    x = parts.concatenate([parts.flatten(embeddings), products])
    logit = parts.head(parts.tower(x, params))
    return parts.click_model(features, logit, name="opnn")
