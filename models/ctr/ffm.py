"""Field-aware factorization machine."""

from collections.abc import Sequence

import keras

from clickwright.models.ctr import parts
from clickwright.models.ctr.ffm_params import FFMParams
from clickwright.models.layers.field_aware_interaction import FieldAwareInteraction
from clickwright.schemas.model_input import ModelInput


def build_ffm(inputs: Sequence[ModelInput], params: FFMParams) -> keras.Model:
    """`p = sigmoid(b + sum_f w_f + sum_{i<j} <v_{i->j}, v_{j->i}>)`.

    A feature value has one vector for each of the other `F - 1` fields; all of them
    lie in one row of one table. `V D (F - 1) + V + 1` parameters.

    Args:
        inputs: named tensors that the model reads, at least two.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    Raises:
        ConfigError: there is one input.

    References:
        Juan et al., Field-aware Factorization Machines for CTR Prediction, RecSys
        2016. Trained and laid out as in FuxiCTR v1.1.0, which the BARS figures come
        from.
    """
    parts.need_pairs(inputs, "ffm")
    features = parts.symbolic_inputs(inputs)
    width = (len(inputs) - 1) * params.embedding_dim
    vectors = parts.embed(features, inputs, params, width=width)  # [B, F, (F-1) D]
    linear = parts.linear(features, inputs, params, use_bias=True)  # [B, 1]
    pairs = FieldAwareInteraction(name="pairs")(vectors)  # [B, 1]
    return parts.click_model(features, parts.add([linear, pairs]), name="ffm")
