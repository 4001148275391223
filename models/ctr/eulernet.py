"""EulerNet: interactions of learned order in the complex plane."""

from collections.abc import Sequence

import keras
from keras import ops

from clickwright.models.ctr import parts
from clickwright.models.ctr.eulernet_params import EulerNetParams
from clickwright.models.layers.euler_embedding import EulerEmbedding
from clickwright.models.layers.euler_interaction import EulerInteraction
from clickwright.schemas.model_input import ModelInput


def build_eulernet(inputs: Sequence[ModelInput], params: EulerNetParams) -> keras.Model:
    """`p = sigmoid((w . r + b) + (w . p + b))`, `r + i p` the last layer's output.

    Embeddings become phases of complex numbers; layers are `EulerInteraction`. One
    linear map judges real and imaginary parts, so its bias counts twice. With `V`
    table rows and `F_l` neurons in layer `l` (`F_0` fields), parameters number `V D +
    F_0 + sum_l (F_{l-1} F_l + F_{l-1} F_l D^2 + F_l D + 2 F_l D + 4 D) + F_n D + 1`
    (without layer normalization no `4 D`).

    Args:
        inputs: named tensors that the model reads.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    Raises:
        ConfigError: there is one input.

    References:
        Tian et al., EulerNet: Adaptive Feature Interaction Learning via Euler's
        Formula for CTR Prediction, SIGIR 2023 (arXiv 2304.10711), started as in
        FuxiCTR.
    """
    parts.need_pairs(inputs, "eulernet")
    features = parts.symbolic_inputs(inputs)
    embeddings = parts.embed(features, inputs, params)  # [B, F, D]
    both = EulerEmbedding(name="complex")(embeddings)
    for n, neurons in enumerate(params.neurons):
        both = EulerInteraction(
            neurons,
            params.explicit_dropout,
            params.implicit_dropout,
            params.layer_norm,
            name=f"interaction_{n}",
        )(both)  # twice [B, F_n, D]
    width = params.neurons[-1] * params.embedding_dim
    flat = ops.reshape(ops.stack(both, axis=1), (-1, 2, width))
    logit = ops.sum(parts.head(flat), axis=1)  # [B, 1]
    return parts.click_model(features, logit, name="eulernet")
