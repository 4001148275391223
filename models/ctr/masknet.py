"""MaskNet: dense layers whose inputs are masked by the embeddings."""

from collections.abc import Sequence
from typing import Any

import keras

from clickwright.models.ctr import parts
from clickwright.models.ctr.masknet_params import MaskNetParams
from clickwright.models.layers.field_norm import FieldNorm
from clickwright.models.layers.mask_block import MaskBlock
from clickwright.schemas.model_input import ModelInput


def build_masknet(inputs: Sequence[ModelInput], params: MaskNetParams) -> keras.Model:
    """`p = sigmoid(w . h + b)` of mask blocks, `MaskBlock`.

    Every block takes its mask from the raw embeddings. By `structure`, `h` is

    * `parallel`: `tower([block_1(x) ; .. ; block_n(x)])`, blocks of `block_units`;
    * `serial`: `block_n(.. block_1(x))`, blocks of `hidden_units`,

    with `x` the embeddings, layer-normalized field by field with `embedding_norm`.
    With `V` table rows, `N = F * embedding_dim`, `M = int(reduction_ratio * N)` and
    `u = block_units`, parameters of the parallel structure number `V D + blocks (2 N M
    + M + N + N u + 2 u) + tower + h_n + 1`, and `2 N` more with `embedding_norm`.

    Args:
        inputs: named tensors that the model reads.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    References:
        Wang et al., MaskNet, DLP-KDD 2021 (arXiv 2102.07619).
    """
    features = parts.symbolic_inputs(inputs)
    embeddings = parts.embed(features, inputs, params)  # [B, F, D]
    raw = parts.flatten(embeddings)  # [B, N]
    x = raw
    if params.embedding_norm:
        normed = FieldNorm(name="embedding_norm")(embeddings)
        x = keras.layers.Flatten(name="flatten_normed")(normed)

    def block(units: int, hidden: Any, number: int) -> Any:
        return MaskBlock(
            units,
            reduction_ratio=params.reduction_ratio,
            activation=params.activation,
            layer_norm=params.block_norm,
            dropout=params.dropout,
            name=f"block_{number}",
        )({"embeddings": raw, "hidden": hidden})

    if params.structure == "parallel":
        blocks = [block(params.block_units, x, n) for n in range(params.blocks)]
        x = parts.tower(parts.concatenate(blocks), params)
    else:
        for n, units in enumerate(params.hidden_units):
            x = block(units, x, n)
    return parts.click_model(features, parts.head(x), name="masknet")
