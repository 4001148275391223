"""DeepFM: a factorization machine and a dense tower over one embedding table."""

from collections.abc import Sequence

import keras

from clickwright.models.ctr.deepfm_params import DeepFMParams
from clickwright.models.ctr.inputs import symbolic_inputs
from clickwright.models.layers.fm_interaction import FMInteraction
from clickwright.models.layers.fused_embedding import FusedEmbedding
from clickwright.models.layers.linear_term import LinearTerm
from clickwright.models.layers.mlp import MLP
from clickwright.models.layers.probability import Probability
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
    features = symbolic_inputs(inputs)
    normal = keras.initializers.RandomNormal(stddev=params.embedding_stddev)
    embeddings = FusedEmbedding(
        inputs,
        width=params.embedding_dim,
        embeddings_initializer=normal,
        embeddings_regularizer=keras.regularizers.L2(params.l2 / 2),
        name="embeddings",
    )(features)  # [B, F, D]
    linear = LinearTerm(
        inputs,
        use_bias=False,
        embeddings_initializer=normal.clone(),
        embeddings_regularizer=keras.regularizers.L2(params.l2 / 2),
        name="linear",
    )(features)  # [B, 1]
    pairs = FMInteraction(name="pairs")(embeddings)  # [B, 1]
    tower = MLP(
        params.hidden_units,
        activation=params.activation,
        batch_norm=params.batch_norm,
        dropout=params.dropout,
        name="tower",
    )(keras.layers.Flatten(name="flatten")(embeddings))  # [B, h_n]
    deep = keras.layers.Dense(
        1, kernel_initializer="glorot_normal", dtype="float32", name="head"
    )(tower)  # [B, 1]
    logit = keras.layers.Add(dtype="float32", name="logit")([linear, pairs, deep])
    probability = Probability(name="probability")(logit)
    return keras.Model(features, {"probability": probability}, name="deepfm")
