"""Taking some places of each row's sequence."""

from typing import Any

from keras import ops


def gather_places(sequence: Any, places: Any) -> Any:
    """The values of a sequence at some places, chosen row by row.

    A sequence of batch 1 serves every row, and is not repeated for it.

    Args:
        sequence: `[N or 1, L, ...]`.
        places: integers from 0 to `L - 1`, `[N, k]`.

    Returns:
        `[N, k, ...]`.
    """
    rows, length = ops.shape(sequence)[0], sequence.shape[1]
    flat = ops.reshape(sequence, (-1, *sequence.shape[2:]))  # [N * L, ...]
    first = ops.expand_dims(ops.arange(rows, dtype="int32") * length, 1)  # [N, 1]
    return ops.take(flat, ops.cast(places, "int32") + first, axis=0)
