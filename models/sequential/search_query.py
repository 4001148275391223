"""A click model that knows what its user has searched for."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.ctr import parts
from clickwright.models.layers.activation_unit import ActivationUnit
from clickwright.models.layers.multi_head_target_attention import (
    MultiHeadTargetAttention,
)
from clickwright.models.layers.next_item_entropy import NextItemEntropy
from clickwright.models.layers.query_contrast import QueryContrast
from clickwright.models.layers.query_encoder import QueryEncoder
from clickwright.models.losses.click_and_next_item import ClickAndNextItem
from clickwright.models.losses.cross_entropy import CrossEntropy
from clickwright.models.losses.loss import Loss
from clickwright.models.sequential import parts as sequential
from clickwright.models.sequential.embedded import Embedded
from clickwright.models.sequential.search_query_params import SearchQueryParams
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput


def build_search_query(
    inputs: Sequence[ModelInput], params: SearchQueryParams
) -> keras.Model:
    """The click model `base` with one interest more, `u_q`, of the user's queries.

    Queries are a second `sequence` feature, of a categorical `query`; its first side
    sequence in the table of the items holds the item clicked for each query, missing
    where there was none: an empty string, so that items are of `dtype: string`. `QueryEncoder` makes states of the queries, and `u_q` is
    multi-head target attention over them, zeros without any query. With the context
    `c`, the target `t` and the history:

    * `din`: `tower([c ; t ; u ; u_q])`, `u` by `ActivationUnit`;
    * `dcnv2`: crosses and a tower of `[c ; t ; mean of the history ; u_q]`.

    Three things are learned beside the clicks, and are no part of what is exported:
    telling the row's item by the last query's state, of clicked rows
    (`NextItemEntropy`); the contrast of queries and items, and the diffusion that makes
    items for queries without a click (`QueryContrast`). The row's item is later than
    all its queries, which are cut at its time. The diffusion learns from the start,
    with everything else. `without: [history]` takes queries away as well.

    Args:
        inputs: named tensors that the model reads.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}` and, with a
        factor above 0, `logits`: the logit and, where it is wanted, the entropy.

    Raises:
        ConfigError: there is no history, or there are no queries beside it.

    References:
        Enhancing CTR Prediction in Recommendation Domain with Search Query
        Representation, CIKM 2024 (arXiv 2410.21487), reconstructed from its summary:
        blocks, places, heads and where `u_q` enters are our decisions.
    """
    queries, clicked = _queries(inputs)
    features = dict(parts.symbolic_inputs(inputs))
    tensors = dict(features)
    if "history" in params.without:
        for i in (queries, clicked):
            tensors[i.name] = ops.zeros_like(features[i.name])
    # The history is the first sequence that is not of queries.
    others = [i for i in inputs if i not in (queries, clicked)]
    e = sequential.embed(
        tensors,
        [*others, queries, clicked],
        params,
        "search_query",
        sequences=(queries, clicked),
    )
    mask = ops.cast(ops.not_equal(tensors[queries.name], 0), "float32")
    states = QueryEncoder(
        params.heads, params.blocks, params.query_dropout, name="query_encoder"
    )({"queries": e.sequences[queries.name], "mask": mask})  # [B, Lq, D]
    interest = MultiHeadTargetAttention(
        params.embedding_dim,
        params.heads,
        output_dim=params.embedding_dim,
        name="query_attention",
    )({"target": e.target, "history": states, "mask": mask})  # [B, D]
    logit = _with_base(e, interest, params)
    logits = logit
    if params.next_item_weight:
        target = sequential.sequence_inputs(others, "search_query").target
        entropy = NextItemEntropy(name="next_item")(
            {
                "states": states,
                "mask": mask,
                "items": e.target[:, : params.embedding_dim],
                "ids": features[target.name],
            }
        )
        logits = keras.layers.Concatenate(dtype="float32", name="logits")(
            [logits, entropy]
        )
    if params.contrast_weight or params.diffusion_weight:
        logits = QueryContrast(
            params.contrast_weight,
            params.diffusion_weight,
            params.temperature,
            params.diffusion_steps,
            params.diffusion_jumps,
            name="query_contrast",
        )(
            {
                "logits": logits,
                "queries": e.sequences[queries.name],
                "items": e.sequences[clicked.name],
                "query_ids": tensors[queries.name],
                "item_ids": tensors[clicked.name],
            }
        )
    taught = None if logits is logit else logits
    return parts.click_model(features, logit, "search_query", taught)


def search_query_loss(params: SearchQueryParams) -> Loss:
    """Cross-entropy and the next item's; contrasts come to it by themselves."""
    if params.next_item_weight:
        return ClickAndNextItem(params.next_item_weight)
    return CrossEntropy()


def _with_base(e: Embedded, interest: Any, params: SearchQueryParams) -> Any:
    """The logit of the base with the interest of the queries, `[batch, 1]`."""
    context = [] if e.context is None else [parts.flatten(e.context)]
    if params.base == "din":
        history = ActivationUnit(params.attention_units, name="attention")(
            {"target": e.target, "history": e.history, "mask": e.mask}
        )
        x = parts.concatenate([*context, e.target, history, interest])
        return parts.head(parts.tower(x, params))
    count = ops.maximum(ops.sum(e.mask, axis=1, keepdims=True), 1.0)  # [B, 1]
    x0 = parts.concatenate(
        [*context, e.target, ops.sum(e.history, axis=1) / count, interest]
    )
    crossed = x0
    for n in range(params.cross_layers):
        crossed = parts.cross(x0, crossed, name=f"cross_{n}")
    deep = parts.tower(x0, params)
    return parts.head(parts.concatenate([crossed, deep], name="crossed_and_deep"))


def _queries(inputs: Sequence[ModelInput]) -> tuple[ModelInput, ModelInput]:
    """The sequence of queries, and that of the items clicked for them.

    Raises:
        ConfigError: there are none.
    """
    roles = {i.name: i.role for i in inputs if i.kind == "id"}
    for i in inputs:
        if i.kind != "sequence" or i.side_of or roles.get(i.table or "") == "item":
            continue
        for side in inputs:
            if side.side_of == i.name and roles.get(side.table or "") == "item":
                return i, side
    raise ConfigError(
        "The model `search_query` needs the queries of a user and finds none.",
        where="features",
        fix="give the feature spec a feature of `kind: sequence` of a categorical "
        "feature that stands for a query, with a `side` of the item clicked for it",
    )
