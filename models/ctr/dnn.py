"""A dense tower on the concatenated embeddings, and nothing else."""

from collections.abc import Sequence

import keras

from clickwright.models.ctr import parts
from clickwright.models.ctr.dnn_params import DNNParams
from clickwright.schemas.model_input import ModelInput


def build_dnn(inputs: Sequence[ModelInput], params: DNNParams) -> keras.Model:
    """`p = sigmoid(tower(x0))`, `x0` the concatenated embeddings.

    What the models with explicit interactions are measured against. With `V` table
    rows, `N = F * embedding_dim` and widths `h`, parameters number
    `V D + sum_l (h_{l-1} h_l + h_l + 2 h_l) + h_n + 1`, `h_0 = N` (without batch
    normalization no `2 h_l`; its running statistics are not counted).

    Args:
        inputs: named tensors that the model reads.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    References:
        Covington et al., Deep Neural Networks for YouTube Recommendations, RecSys
        2016. Trained and laid out as in FuxiCTR v1.1.0, which the BARS figures come
        from.
    """
    features = parts.symbolic_inputs(inputs)
    embeddings = parts.embed(features, inputs, params)  # [B, F, D]
    tower = parts.tower(parts.flatten(embeddings), params)  # [B, h_n]
    return parts.click_model(features, parts.head(tower), name="dnn")
