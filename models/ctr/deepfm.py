"""DeepFM: a factorization machine and a dense tower over one embedding table."""

from collections.abc import Sequence

import keras

from clickwright.models.ctr import parts
from clickwright.models.ctr.deepfm_params import DeepFMParams
from clickwright.models.layers.fm_interaction import FMInteraction
from clickwright.schemas.model_input import ModelInput


def build_deepfm(inputs: Sequence[ModelInput], params: DeepFMParams) -> keras.Model:
    """`p = sigmoid(y_linear + y_fm + y_deep)`.

    * `y_linear`: sum of one weight a feature value, no bias (the tower's head has
      one);
    * `y_fm`: inner products of all pairs of field embeddings;
    * `y_deep`: the tower on the concatenated embeddings, with a linear head.

    Id sets and sequences enter `y_fm` and the tower as the mean of their embeddings,
    `y_linear` as the sum of their weights. The FM term and the tower share one table;
    the gradients of both reach it. With `V` table rows, `N = F * embedding_dim` and
    widths `h`, parameters number `V (D + 1) + sum_l (h_{l-1} h_l + h_l + 2 h_l) +
    h_n + 1`, `h_0 = N` (without batch normalization no `2 h_l`; its running
    statistics are not counted).

    Args:
        inputs: named tensors that the model reads.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    References:
        Guo et al., DeepFM, IJCAI 2017 (arXiv 1703.04247). Trained and laid out as in
        FuxiCTR v1.1.0, which the BARS figures come from.
    """
    features = parts.symbolic_inputs(inputs)
    embeddings = parts.embed(features, inputs, params)  # [B, F, D]
    linear = parts.linear(features, inputs, params)  # [B, 1]
    pairs = FMInteraction(name="pairs")(embeddings)  # [B, 1]
    tower = parts.tower(parts.flatten(embeddings), params)  # [B, h_n]
    logit = parts.add([linear, pairs, parts.head(tower)])
    return parts.click_model(features, logit, name="deepfm")
