"""Putting the padding of histories on one side."""

from typing import Any, Literal

from keras import ops


def pack_history(
    ids: Any, side: Literal["left", "right"], *others: Any
) -> tuple[Any, ...]:
    """Moves all padding of each row to one side; the order of the events stays.

    It does not matter where the padding was, be it between the events.

    Args:
        ids: `[batch, L]`, 0 being padding.
        side: the side that the padding goes to.
        *others: `[batch, L, ...]`, moved as the ids are.

    Returns:
        The ids and the others, in their shapes.
    """
    length = ops.shape(ids)[1]
    real = ops.not_equal(ids, 0)  # [B, L]
    place = ops.arange(length, dtype="int32")
    last = real if side == "left" else ops.logical_not(real)
    order = ops.argsort(place + length * ops.cast(last, "int32"), axis=1)  # [B, L]
    return tuple(_taken(x, order) for x in (ids, *others))


def _taken(x: Any, order: Any) -> Any:
    if len(x.shape) > 2:
        order = ops.expand_dims(order, tuple(range(2, len(x.shape))))
    return ops.take_along_axis(x, order, axis=1)
