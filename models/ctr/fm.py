"""Factorization machine."""

from collections.abc import Sequence

import keras

from clickwright.models.ctr import parts
from clickwright.models.ctr.fm_params import FMParams
from clickwright.models.layers.fm_interaction import FMInteraction
from clickwright.schemas.model_input import ModelInput


def build_fm(inputs: Sequence[ModelInput], params: FMParams) -> keras.Model:
    """`p = sigmoid(b + sum_f w_f + sum_{i<j} <e_i, e_j>)`; `V (D + 1) + 1` parameters.

    Args:
        inputs: named tensors that the model reads.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    References:
        Rendle, Factorization Machines, ICDM 2010. Trained and laid out as in FuxiCTR
        v1.1.0, which the BARS figures come from.
    """
    features = parts.symbolic_inputs(inputs)
    embeddings = parts.embed(features, inputs, params)  # [B, F, D]
    linear = parts.linear(features, inputs, params, use_bias=True)  # [B, 1]
    pairs = FMInteraction(name="pairs")(embeddings)  # [B, 1]
    return parts.click_model(features, parts.add([linear, pairs]), name="fm")
