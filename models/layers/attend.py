"""Attention of places of a history to each other, and who may look at whom."""

import math
from typing import Any

import numpy as np
from keras import ops

from clickwright.models.layers.dropout import Dropout

_MASKED = -(2.0**32) + 1.0
"""Score of what may not be looked at, as in SASRec's own code."""


def attend(
    queries: Any,
    keys: Any,
    values: Any,
    allowed: Any,
    heads: int,
    drop: Dropout,
    training: bool | None = None,
) -> Any:
    """`softmax(q k^T / sqrt(d / heads)) v`, head by head; the softmax in float32.

    A place that may look at nothing gets the mean of all values: its output must not
    be used.

    Args:
        queries: `[batch, L, d]`.
        keys: `[batch, L, d]`.
        values: `[batch, L, d]`.
        allowed: bool, broadcast to `[batch, 1, L, L]`: whether a place looks at one.
        heads: heads, a divisor of `d`.
        drop: drops attention weights in training.
        training: whether it does.

    Returns:
        `[batch, L, d]`, all values of the first head first.
    """
    q, k, v = (_by_head(x, heads) for x in (queries, keys, values))
    scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2)))  # [B, H, L, L]
    scores = ops.cast(scores, "float32") / math.sqrt(q.shape[-1])
    weights = ops.softmax(ops.where(allowed, scores, _MASKED), axis=-1)
    weights = drop(ops.cast(weights, v.dtype), training=training)
    seen = ops.transpose(ops.matmul(weights, v), (0, 2, 1, 3))  # [B, L, H, d / H]
    return ops.reshape(seen, (-1, *queries.shape[1:]))


def may_look(real: Any, causal: bool) -> Any:
    """Who may look at whom: at real events, and if `causal` not at later ones.

    Args:
        real: bool `[batch, L]`: which places hold events.
        causal: whether a place sees itself and earlier ones alone.

    Returns:
        bool `[batch, 1, 1 or L, L]`.
    """
    keys = ops.expand_dims(real, (1, 2))  # [B, 1, 1, L]
    if not causal:
        return keys
    length = real.shape[1]
    return ops.logical_and(keys, np.tril(np.ones((1, 1, length, length), bool)))


def _by_head(x: Any, heads: int) -> Any:
    length, width = x.shape[1:]
    x = ops.reshape(x, (-1, length, heads, width // heads))
    return ops.transpose(x, (0, 2, 1, 3))  # [B, H, L, d / H]
