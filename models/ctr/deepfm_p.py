"""DeepFM-P: a factorization machine and a product-based tower over one table."""

from collections.abc import Sequence

import keras

from clickwright.models.ctr import parts
from clickwright.models.ctr.deepfm_p_params import DeepFMPParams
from clickwright.models.layers.fm_interaction import FMInteraction
from clickwright.models.layers.inner_products import InnerProducts
from clickwright.models.layers.kernel_products import KernelProducts
from clickwright.schemas.model_input import ModelInput


def build_deepfm_p(inputs: Sequence[ModelInput], params: DeepFMPParams) -> keras.Model:
    """`p = sigmoid(y_linear + y_fm + tower([x0, p]))`.

    DeepFM, whose tower also sees products of all `P` pairs of fields: `inner`,
    `<e_i, e_j>`; `outer`, `<e_i e_j^T, K_ij>`, kernels Glorot-normal; or both. That
    adds `P h_1` parameters to those of DeepFM for each kind, and `P D^2` for kernels.

    Args:
        inputs: named tensors that the model reads, at least two.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    Raises:
        ConfigError: there is one input.

    References:
        Guo et al., DeepFM: An End-to-End Wide & Deep Learning Framework for CTR
        Prediction, 2018 (arXiv 1804.04950).
    """
    parts.need_pairs(inputs, "deepfm_p")
    features = parts.symbolic_inputs(inputs)
    embeddings = parts.embed(features, inputs, params)  # [B, F, D]
    linear = parts.linear(features, inputs, params)  # [B, 1]
    pairs = FMInteraction(name="pairs")(embeddings)  # [B, 1]
    x = [parts.flatten(embeddings)]
    if params.product in ("inner", "both"):
        x.append(InnerProducts(name="inner")(embeddings))  # [B, P]
    if params.product in ("outer", "both"):
        outer = KernelProducts("mat", kernel_initializer="glorot_normal", name="outer")
        x.append(outer(embeddings))  # [B, P]
    tower = parts.tower(parts.concatenate(x), params)  # [B, h_n]
    logit = parts.add([linear, pairs, parts.head(tower)])
    return parts.click_model(features, logit, name="deepfm_p")
