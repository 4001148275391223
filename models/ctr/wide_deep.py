"""Wide&Deep: a linear model and a dense tower, trained together."""

from collections.abc import Sequence

import keras

from clickwright.models.ctr import parts
from clickwright.models.ctr.wide_deep_params import WideDeepParams
from clickwright.schemas.model_input import ModelInput


def build_wide_deep(
    inputs: Sequence[ModelInput], params: WideDeepParams
) -> keras.Model:
    """`p = sigmoid(y_linear + y_deep)`.

    The wide part has one weight a feature value, without crosses made by hand and
    without a bias (the tower's head has one); everything trains with one optimizer.
    As many parameters as DeepFM.

    Args:
        inputs: named tensors that the model reads.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    References:
        Cheng et al., Wide & Deep Learning for Recommender Systems, DLRS 2016
        (arXiv 1606.07792). Trained and laid out as in FuxiCTR v1.1.0, which the BARS
        figures come from.
    """
    features = parts.symbolic_inputs(inputs)
    embeddings = parts.embed(features, inputs, params)  # [B, F, D]
    linear = parts.linear(features, inputs, params)  # [B, 1]
    tower = parts.tower(parts.flatten(embeddings), params)  # [B, h_n]
    logit = parts.add([linear, parts.head(tower)])
    return parts.click_model(features, logit, name="wide_deep")
