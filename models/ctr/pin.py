"""PIN: a dense tower on what small networks make of each pair of fields."""

from collections.abc import Sequence

import keras

from clickwright.models.ctr import parts
from clickwright.models.ctr.pin_params import PINParams
from clickwright.models.layers.pair_networks import PairNetworks
from clickwright.schemas.model_input import ModelInput


def build_pin(inputs: Sequence[ModelInput], params: PINParams) -> keras.Model:
    """`p = sigmoid(tower(s))`, `s_ij = network_ij([e_i, e_j, e_i * e_j])`.

    Every pair of fields has a network with weights of its own. The tower sees their
    outputs alone, not the embeddings. With `P` pairs and networks `3 D -> h -> 1`, the
    networks have `P (3 D h + h) + 2 h + P (h + 1) + 2` parameters.

    Args:
        inputs: named tensors that the model reads, at least two.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    Raises:
        ConfigError: there is one input.

    References:
        Qu et al., Product-based Neural Networks for User Response Prediction over
        Multi-field Categorical Data, TOIS 2018 (arXiv 1807.00311). The authors' code
        computes its wide term and never uses it; here `wide` adds it.
    """
    parts.need_pairs(inputs, "pin")
    features = parts.symbolic_inputs(inputs)
    embeddings = parts.embed(features, inputs, params)  # [B, F, D]
    pairs = PairNetworks(
        params.pair_units,
        product=params.product,
        layer_norm=params.pair_layer_norm,
        name="pairs",
    )(embeddings)  # [B, P]
    tower = parts.tower(pairs, params, layer_norm=params.layer_norm)  # [B, h_n]
    terms = [parts.head(tower)]
    if params.wide:
        terms.append(parts.linear(features, inputs, params))
    logit = parts.add(terms) if params.wide else terms[0]
    return parts.click_model(features, logit, name="pin")
