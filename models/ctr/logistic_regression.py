"""Logistic regression, the baseline of all click models."""

from collections.abc import Sequence

import keras

from clickwright.models.ctr import parts
from clickwright.models.ctr.logistic_regression_params import LogisticRegressionParams
from clickwright.models.layers.linear_term import LinearTerm
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
    features = parts.symbolic_inputs(inputs)
    logit = LinearTerm(
        inputs,
        embeddings_regularizer=keras.regularizers.L2(params.l2 / 2),
        compression=params.compression,
        min_frequency=params.min_frequency,
        name="linear",
    )(features)
    return parts.click_model(features, logit, name="logistic_regression")
