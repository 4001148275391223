"""FiBiNET: bilinear products of plain and of weighted embeddings."""

from collections.abc import Sequence

import keras

from clickwright.models.ctr import parts
from clickwright.models.ctr.fibinet_params import FiBiNETParams
from clickwright.models.layers.bilinear_interaction import BilinearInteraction
from clickwright.models.layers.squeeze_excitation import SqueezeExcitation
from clickwright.schemas.model_input import ModelInput


def build_fibinet(inputs: Sequence[ModelInput], params: FiBiNETParams) -> keras.Model:
    """`p = sigmoid(y_linear + head(tower([p ; q])))`.

    `p` holds the bilinear products of all pairs of embeddings, `q` those of the
    embeddings that the SENet has weighted: `2 P D` values of `P = F (F - 1) / 2`
    pairs. With `V` table rows, `r` the width of the SENet's middle and `W` values in
    the bilinear matrices (`D^2`, `F D^2` or `P D^2`, twice if they are not shared),
    parameters number `V (D + 1) + 2 F r + W + tower + h_n + 1`.

    Args:
        inputs: named tensors that the model reads, two or more.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    Raises:
        ConfigError: there is one input.

    References:
        Huang et al., FiBiNET, RecSys 2019 (arXiv 1905.09433).
    """
    parts.need_pairs(inputs, "fibinet")
    features = parts.symbolic_inputs(inputs)
    embeddings = parts.embed(features, inputs, params)  # [B, F, D]
    weighted = SqueezeExcitation(params.reduction_ratio, name="senet")(embeddings)
    bilinear = BilinearInteraction(params.bilinear, name="bilinear")
    other = (
        bilinear
        if params.share_bilinear
        else BilinearInteraction(params.bilinear, name="weighted_bilinear")
    )
    pairs = keras.layers.Concatenate(axis=1, name="pairs")(
        [bilinear(embeddings), other(weighted)]
    )  # [B, 2 P, D]
    tower = parts.tower(parts.flatten(pairs), params)
    linear = parts.linear(features, inputs, params)
    logit = parts.add([linear, parts.head(tower)])
    return parts.click_model(features, logit, name="fibinet")
