"""DCNv2: full-matrix cross layers and a dense tower."""

from collections.abc import Sequence

import keras

from clickwright.models.ctr import parts
from clickwright.models.ctr.dcnv2_params import DCNv2Params
from clickwright.models.layers.low_rank_cross import LowRankCross
from clickwright.schemas.model_input import ModelInput


def build_dcnv2(inputs: Sequence[ModelInput], params: DCNv2Params) -> keras.Model:
    """`p = sigmoid(w . c + b)` of crosses `x_l = x_0 * (W_l x_{l-1} + b_l) + x_{l-1}`.

    `x_0` is the concatenation of the embeddings and `L` the number of cross layers;
    by `structure`, `c` is

    * `parallel`: `[x_L ; tower(x_0)]`;
    * `stacked`: `tower(x_L)`;
    * `both`: `[tower(x_L) ; tower'(x_0)]`, two towers of the same widths.

    With `low_rank`, a layer's matrix is a mixture of experts (`LowRankCross`). With
    `V` table rows and `N = F * embedding_dim`, parameters of the parallel structure
    number `V D + L (N^2 + N) + tower + N + h_n + 1`.

    Args:
        inputs: named tensors that the model reads.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    References:
        Wang et al., DCN V2, WWW 2021 (arXiv 2008.13535). Laid out as in FuxiCTR
        v1.2, which the BARS figures come from.
    """
    features = parts.symbolic_inputs(inputs)
    x0 = parts.flatten(parts.embed(features, inputs, params))  # [B, N]
    if params.low_rank is None:
        crossed = x0
        for n in range(params.cross_layers):
            crossed = parts.cross(x0, crossed, name=f"cross_{n}")  # [B, N]
    else:
        crossed = LowRankCross(
            params.cross_layers, params.low_rank, params.experts, name="cross"
        )(x0)
    outputs = [crossed]
    if params.hidden_units:
        if params.structure in ("stacked", "both"):
            outputs = [parts.tower(crossed, params, name="stacked_tower")]
        if params.structure in ("parallel", "both"):
            outputs.append(parts.tower(x0, params))
    logit = parts.head(parts.concatenate(outputs))
    return parts.click_model(features, logit, name="dcnv2")
