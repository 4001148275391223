"""GDCN: gated cross layers and a dense tower."""

from collections.abc import Sequence

import keras

from clickwright.models.ctr import parts
from clickwright.models.ctr.gdcn_params import GDCNParams
from clickwright.models.layers.gated_cross_network import GatedCrossNetwork
from clickwright.schemas.model_input import ModelInput


def build_gdcn(inputs: Sequence[ModelInput], params: GDCNParams) -> keras.Model:
    """`p = sigmoid(w . c + b)` of crosses that pass a gate (`GatedCrossNetwork`).

    `c` is `[x_L ; tower(x_0)]` in GDCN-P (`parallel`) and `tower(x_L)` in GDCN-S
    (`stacked`). With `V` table rows and `N = F * embedding_dim`, parameters of GDCN-P
    number `V D + L (2 N^2 + N) + tower + N + h_n + 1`.

    Args:
        inputs: named tensors that the model reads.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    References:
        Wang et al., Towards Deeper, Lighter and Interpretable Cross Network for CTR
        Prediction, CIKM 2023 (doi 10.1145/3583780.3615089).
    """
    features = parts.symbolic_inputs(inputs)
    x0 = parts.flatten(parts.embed(features, inputs, params))  # [B, N]
    outputs = [GatedCrossNetwork(params.cross_layers, name="cross")(x0)]
    if params.hidden_units:
        if params.structure == "stacked":
            outputs = [parts.tower(outputs[0], params)]
        else:
            outputs.append(parts.tower(x0, params))
    logit = parts.head(parts.concatenate(outputs))
    return parts.click_model(features, logit, name="gdcn")
