"""Encoding short histories without the cost of long ones."""

from collections.abc import Callable
from typing import Any

import keras

_ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
if _ON_TENSORFLOW:
    import tensorflow as tf

_HALVINGS = 3


def by_length(encode: Callable[[Any], Any], histories: Any) -> Any:
    """Encodes rows of about one length together, each group in as few places as it needs.

    Groups hold rows of at most `L / 8`, `L / 4`, `L / 2` and `L` events, so that fewer
    than half of the places of any but the shortest are padding. For an encoder that
    never looks at padding and counts places from the last one the states of events, and
    of histories without any, are those of `encode(histories)`, up to rounding; those of
    padding mean nothing. On backends other than TensorFlow, whose shapes are fixed, it
    is `encode(histories)`.

    Args:
        encode: gives states `[rows, places, d]` for ids `[rows, places]`; is called
            once for each group.
        histories: int32 `[batch, L]`, padded with 0 on the left.

    Returns:
        States, `[batch, L, d]`.
    """
    if not _ON_TENSORFLOW:
        return encode(histories)
    length = histories.shape[1]
    least = min(2, length)  # Keras warns of attention within one place
    limits = sorted({max(least, -(-length // 2**n)) for n in range(_HALVINGS + 1)})
    count = tf.math.count_nonzero(histories, axis=1, dtype=tf.int32)  # [B]
    count = tf.where(count > 0, count, length)  # without events, padding is what counts
    order, states, low = [], [], 0
    for limit in limits:
        rows = tf.where((count > low) & (count <= limit))[:, 0]
        encoded = encode(tf.gather(histories, rows)[:, length - limit :])
        states.append(tf.pad(encoded, [[0, 0], [length - limit, 0], [0, 0]]))
        order.append(rows)
        low = limit
    back = tf.math.invert_permutation(tf.concat(order, axis=0))
    return tf.gather(tf.concat(states, axis=0), back)
