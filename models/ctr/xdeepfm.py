"""xDeepFM: a linear term, a compressed interaction network and a dense tower."""

from collections.abc import Sequence

import keras

from clickwright.models.ctr import parts
from clickwright.models.ctr.xdeepfm_params import XDeepFMParams
from clickwright.models.layers.compressed_interaction import CompressedInteraction
from clickwright.schemas.model_input import ModelInput


def build_xdeepfm(inputs: Sequence[ModelInput], params: XDeepFMParams) -> keras.Model:
    """`p = sigmoid(y_linear + y_cin + y_deep)`.

    * `y_linear`: sum of one weight a feature value, no bias;
    * `y_cin`: a linear head on the pooled maps of `CompressedInteraction`;
    * `y_deep`: the tower on the concatenated embeddings, with a linear head.

    With `V` table rows and `H_0 = F`, parameters number `V (D + 1) + sum_k (H_{k-1} F
    H_k + H_k) + sum_k H_k + 1 + tower + h_n + 1`.

    Args:
        inputs: named tensors that the model reads.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    References:
        Lian et al., xDeepFM, KDD 2018 (arXiv 1803.05170). Laid out as in FuxiCTR
        v1.2, which the BARS figures come from: no activation in the CIN, and no
        splitting of its maps.
    """
    features = parts.symbolic_inputs(inputs)
    embeddings = parts.embed(features, inputs, params)  # [B, F, D]
    maps = CompressedInteraction(params.cin_units, name="cin")(embeddings)
    terms = [
        parts.linear(features, inputs, params),
        parts.head(maps, name="cin_head"),
    ]  # [B, 1] each
    if params.hidden_units:
        tower = parts.tower(parts.flatten(embeddings), params)
        terms.append(parts.head(tower))
    return parts.click_model(features, parts.add(terms), name="xdeepfm")
