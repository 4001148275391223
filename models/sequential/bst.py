"""BST: a transformer on a history and its target."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.ctr import parts
from clickwright.models.layers.behaviour_tokens import BehaviourTokens
from clickwright.models.layers.behaviour_transformer import BehaviourTransformer
from clickwright.models.sequential import parts as sequence_parts
from clickwright.models.sequential.bst_params import BSTParams
from clickwright.models.sequential.embedded import Embedded
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.spec import age_of


def build_bst(inputs: Sequence[ModelInput], params: BSTParams) -> keras.Model:
    """`p = sigmoid(tower([c ; t ; z]))`.

    `c` are the context's embeddings and `t` is the target. `z` is pooled from what
    `BehaviourTransformer` blocks make of the history with the target behind it, each
    with its position. Without a history the target is the only token.

    With `V` table rows, `d` values an item, `w = d + D` of a token, `L` events, `N`
    values of the context and widths `h`, parameters number `V D + (L + 1) D + blocks (6
    w w + 6 w) + tower(N + d + w) + h_n + 1`; with ages as positions `D` in the place
    of `(L + 1) D`. With `concat` the tower reads `(L + 1) w` in the place of `w`.
    Kernels of vectors are not counted.

    Args:
        inputs: what the model reads, by name.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    Raises:
        ConfigError: there is no history of an item that the inputs name, or none with
            ages where positions are ages; or the heads do not divide a token.

    References:
        Chen et al., Behavior Sequence Transformer for E-commerce Recommendation in
        Alibaba, DLP-KDD 2019. Positions are concatenated, as in FuxiCTR.
    """
    features = parts.symbolic_inputs(inputs)
    e = sequence_parts.embed(features, inputs, params, "bst")
    width = e.target.shape[-1] + params.embedding_dim
    if width % params.heads:
        raise ConfigError(
            f"An item and its position have {width} values, which {params.heads} heads "
            f"do not divide.",
            where="model.params.heads",
            fix="choose `heads` that divide `embedding_dim`",
        )
    tokens = {"target": e.target, "history": e.history, "mask": e.mask}
    if params.position == "age":
        tokens["positions"] = _ages(e, inputs)
    found = BehaviourTokens(params.embedding_dim, name="tokens")(tokens)
    x = found["tokens"]  # [B, L + 1, w]
    for n in range(params.blocks):
        x = BehaviourTransformer(
            params.heads, dropout=params.block_dropout, name=f"block_{n}"
        )({"tokens": x, "mask": found["mask"]})
    context = [] if e.context is None else [parts.flatten(e.context)]
    pooled = _pooled(x, found["mask"], params)
    tower = parts.tower(parts.concatenate([*context, e.target, pooled]), params)
    return parts.click_model(features, parts.head(tower), name="bst")


def _ages(e: Embedded, inputs: Sequence[ModelInput]) -> Any:
    """Embeddings of the events' ages, `[B, L, D]`."""
    roles = sequence_parts.sequence_inputs(inputs, "bst")
    names = [side.name for side in roles.extra]
    if age_of(roles.history.name) not in names:
        raise ConfigError(
            f"The history `{roles.history.name}` has no times to take positions from.",
            where="model.params.position",
            fix=f"give `features.{roles.history.name}` the column of its `times`, or "
            "choose `position: index`",
        )
    return e.history_extra[:, :, names.index(age_of(roles.history.name))]


def _pooled(x: Any, mask: Any, params: BSTParams) -> Any:
    """What the tower reads of the tokens `[B, T, w]`."""
    if params.pooling == "target":
        return x[:, -1]
    weights = ops.expand_dims(mask, -1)
    if params.pooling == "concat":
        return keras.layers.Flatten(name="flatten_tokens")(x * weights)
    total = ops.sum(x * weights, axis=1)
    return total if params.pooling == "sum" else total / ops.sum(weights, axis=1)
