"""Contrast of two views of each row with the views of the others."""

from typing import Any

from keras import ops


def info_nce(
    first: Any, second: Any, temperature: float, valid: Any = None, same: Any = None
) -> Any:
    """`mean_b -log(exp(c_bb / t) / sum_b' exp(c_bb' / t))`, `c` cosines, in float32.

    Args:
        first: a view of each row, `[batch, P]`.
        second: another one.
        temperature: `t`, positive.
        valid: `[batch]`, 1 for the rows that count. The others are in no mean and no
            sum. All rows when None.
        same: `[batch, batch]`, where the second view of another row is no negative
            of a row; the diagonal does not matter.

    Returns:
        A scalar; 0 where no row counts.
    """
    cosines = ops.matmul(_unit(first), ops.transpose(_unit(second)))  # [B, B]
    logits = cosines / temperature
    own = ops.eye(ops.shape(logits)[0], dtype="bool")
    if valid is None:
        valid = ops.ones_like(logits[:, 0])
    valid = ops.cast(valid, "float32")
    counts = ops.broadcast_to(ops.expand_dims(valid > 0, 0), ops.shape(logits))
    if same is not None:
        counts = ops.logical_and(counts, ops.logical_not(same))
    counts = ops.logical_or(counts, own)
    total = ops.logsumexp(ops.where(counts, logits, -1e9), axis=1)
    losses = total - ops.diagonal(logits)  # [B]
    return ops.divide_no_nan(ops.sum(losses * valid), ops.sum(valid))


def _unit(x: Any) -> Any:
    x = ops.cast(x, "float32")
    squares = ops.sum(ops.square(x), axis=-1, keepdims=True)
    return x * ops.rsqrt(ops.maximum(squares, 1e-12))
