"""FinalMLP: two gated dense streams and a bilinear fusion."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from clickwright.models.ctr import parts
from clickwright.models.ctr.finalmlp_params import FinalMLPParams
from clickwright.models.layers.bilinear_fusion import BilinearFusion
from clickwright.models.layers.feature_gate import FeatureGate
from clickwright.models.layers.mlp import MLP
from clickwright.schemas.errors import ConfigError, did_you_mean
from clickwright.schemas.model_input import ModelInput


def build_finalmlp(inputs: Sequence[ModelInput], params: FinalMLPParams) -> keras.Model:
    """`p = sigmoid(b + w_1 . h_1 + w_2 . h_2 + sum_k h_1k^T W_k h_2k)`.

    `h_i` is stream `i` on `2 sigmoid(MLP(c_i)) * x`, `x` the embeddings and `c_i` the
    context: embeddings of some inputs, or a learned vector of `embedding_dim` values.
    Embeddings of a context are penalized as all others. With `V` table rows, `V_i`
    rows of the context's inputs and `N = F * embedding_dim`, parameters number `V D +
    streams + sum_i (V_i D + gate) + (h_1 + 1) + (h_2 + 1) + h_1 h_2 / heads`; a gate
    without a context has `D` in the place of `V_i D`.

    Args:
        inputs: named tensors that the model reads.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    Raises:
        ConfigError: a context names no input.

    References:
        Mao et al., FinalMLP, AAAI 2023 (arXiv 2304.00902). Laid out as in FuxiCTR,
        which the BARS figures come from.
    """
    features = parts.symbolic_inputs(inputs)
    x = parts.flatten(parts.embed(features, inputs, params))  # [B, N]
    streams = [
        MLP(
            units,
            activation=params.activation,
            batch_norm=params.batch_norm,
            dropout=dropout,
            name=f"stream{n}",
        )(_gated(features, inputs, x, n, context, params))
        for n, units, dropout, context in (
            (1, params.hidden_units1, params.dropout1, params.gate1_context),
            (2, params.hidden_units2, params.dropout2, params.gate2_context),
        )
    ]
    logit = BilinearFusion(params.heads, name="fusion")(streams)
    return parts.click_model(features, logit, name="finalmlp")


def _gated(
    features: Mapping[str, Any],
    inputs: Sequence[ModelInput],
    x: Any,
    stream: int,
    context: Sequence[str],
    params: FinalMLPParams,
) -> Any:
    if not params.gates:
        return x
    name, units = f"gate{stream}", params.gate_hidden_units
    if not context:
        return FeatureGate(units, params.embedding_dim, name=name)(x)
    known = {i.name: i for i in inputs}
    for unknown in set(context) - set(known):
        raise ConfigError(
            f"`{name}_context`: no input is called `{unknown}`."
            f"{did_you_mean(unknown, known)}",
            where="model.params",
            fix=f"use some of {', '.join(known)}",
        )
    table = parts.embed(
        features, [known[i] for i in context], params, name=f"{name}_context"
    )
    flat = keras.layers.Flatten(name=f"{name}_flatten")(table)  # [B, C * D]
    return FeatureGate(units, name=name)([x, flat])
