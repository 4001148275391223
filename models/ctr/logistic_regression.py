"""Logistic regression, the baseline of all click models."""

from collections.abc import Sequence

import keras

from clickwright.models.ctr.inputs import symbolic_inputs
from clickwright.models.ctr.logistic_regression_params import LogisticRegressionParams
from clickwright.models.layers.linear_term import LinearTerm
from clickwright.models.layers.probability import Probability
from clickwright.schemas.model_input import ModelInput


def build_logistic_regression(
    inputs: Sequence[ModelInput], params: LogisticRegressionParams
) -> keras.Model:
    """`p = sigmoid(b + sum_f w_f)`; `V + 1` parameters.

    Args:
        inputs: named tensors that the model reads.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.
    """
    features = symbolic_inputs(inputs)
    logit = LinearTerm(
        inputs,
        embeddings_regularizer=keras.regularizers.L2(params.l2 / 2),
        name="linear",
    )(features)
    probability = Probability(name="probability")(logit)
    return keras.Model(
        features, {"probability": probability}, name="logistic_regression"
    )
