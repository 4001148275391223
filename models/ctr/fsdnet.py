"""FSDNet: crosses and a tower, fused and judged at every depth."""

from collections.abc import Sequence

import keras

from clickwright.models.ctr import parts
from clickwright.models.ctr.fsdnet_params import FSDNetParams
from clickwright.models.layers.feature_hint import FeatureHint
from clickwright.models.layers.mean_probability import MeanProbability
from clickwright.models.layers.mlp import MLP
from clickwright.models.losses.self_distillation import SelfDistillation
from clickwright.schemas.model_input import ModelInput


def build_fsdnet(inputs: Sequence[ModelInput], params: FSDNetParams) -> keras.Model:
    """`p = mean_l sigmoid(w_l . [c_l ; d_l] + b_l)`.

    `c_l` is the `l`-th cross of the embeddings, `c_l = c_{l-1} + x * (c_{l-1} W_l +
    b_l)`, and `d_l` the `l`-th layer of the tower; neither sees the other. The deepest
    predictor teaches the others by `SelfDistillation`, its features by `FeatureHint`.
    With `V` table rows and `N = F * embedding_dim`, parameters number `V D + L (N N +
    N) + tower + sum_l (N + h_l + 1)`.

    Args:
        inputs: named tensors that the model reads.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch], "logits":
        [batch, L]}`.

    References:
        FSDNet (arXiv 2411.07508), laid out as in coder-qiu/FSDNet.
    """
    features = parts.symbolic_inputs(inputs)
    x = parts.flatten(parts.embed(features, inputs, params))  # [B, N]
    crossed = deep = x
    fused = []
    for n, width in enumerate(params.hidden_units):
        crossed = parts.cross(x, crossed, name=f"cross_{n}")  # [B, N]
        deep = MLP(
            (width,),
            activation=params.activation,
            batch_norm=params.batch_norm,
            dropout=params.dropout,
            name=f"deep_{n}",
        )(deep)  # [B, h_n]
        fused.append(parts.concatenate([crossed, deep], name=f"fusion_{n}"))
    if params.distillation != "soft":
        fused = FeatureHint(params.hint_weight, params.detach_teacher, name="hint")(
            fused
        )
    heads = [parts.head(f, name=f"head_{n}") for n, f in enumerate(fused)]
    logits = keras.layers.Concatenate(dtype="float32", name="logits")(heads)
    mean = MeanProbability(name="mean_probability")(logits)  # [B, 1]
    return parts.click_model(features, mean, name="fsdnet", logits=logits)


def fsdnet_loss(params: FSDNetParams) -> SelfDistillation:
    """Cross-entropies and, unless features alone are taught, soft targets."""
    return SelfDistillation(
        1.0 if params.distillation == "hint" else params.ce_weight,
        params.temperature,
        params.kd_form,
        params.detach_teacher,
    )
