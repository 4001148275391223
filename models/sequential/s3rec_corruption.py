"""What S3Rec's pre-training hides of histories, drawn anew for each batch."""

import dataclasses
from typing import Any, Self

import keras
from keras import ops

from clickwright.models.layers.pack_history import pack_history


@dataclasses.dataclass(frozen=True)
class S3RecCorruption:
    """Histories, and what of them is hidden; all int32 `[batch, L]`, padded left.

    Attributes:
        items: a beginning of each history, as it was.
        shown: the same, with items masked: each with some probability, the last one
            always.
        hole: the same, with a segment masked.
        segment: the masked segment in its places, masks around it.
        other: in these places, a segment of the batch's events at large.
        segmented: whether a row has a segment; those of one item do not, `[batch]`.
    """

    items: Any
    shown: Any
    hole: Any
    segment: Any
    other: Any
    segmented: Any

    @classmethod
    def draw(
        cls,
        histories: Any,
        mask: int,
        mask_share: float,
        seed: keras.random.SeedGenerator,
    ) -> Self:
        """Draws a beginning of each history, and what is hidden of it.

        A segment has 1 to half of the items, as the authors have it.

        Args:
            histories: int32 `[batch, L]`, padded left.
            mask: the id that hides an item.
            mask_share: probability that an item is masked.
            seed: draws.
        """
        place = ops.arange(histories.shape[1], dtype="int32")
        items = _beginnings(histories, place, seed)
        real = ops.not_equal(items, 0)
        last = ops.equal(place, place[-1])
        hidden = keras.random.uniform(ops.shape(items), seed=seed) < mask_share
        hidden = ops.logical_and(real, ops.logical_or(hidden, last))

        count = _count(items)  # [B, 1]
        length = _integers(1, ops.maximum(count // 2, 1), seed)
        first = histories.shape[1] - count + _integers(0, count - length, seed)
        segmented = count > 1
        inside = ops.logical_and(place >= first, place < first + length)
        inside = ops.logical_and(inside, segmented)

        events, there = _events(histories)
        start = _integers(0, ops.maximum(there - length, 0), seed)
        taken = ops.where(inside, start + place - first, 0)
        around = ops.where(real, mask, 0)
        return cls(
            items=items,
            shown=ops.where(hidden, mask, items),
            hole=ops.where(inside, mask, items),
            segment=ops.where(inside, items, around),
            other=ops.where(inside, ops.take(events, taken), around),
            segmented=ops.squeeze(segmented, -1),
        )


def _beginnings(histories: Any, place: Any, seed: keras.random.SeedGenerator) -> Any:
    """A beginning of each history, of 1 to all of its events."""
    dropped = _integers(0, ops.maximum(_count(histories) - 1, 0), seed)  # [B, 1]
    source = place - dropped
    moved = ops.take_along_axis(histories, ops.maximum(source, 0), axis=1)
    return ops.where(source >= 0, moved, 0)


def _events(histories: Any) -> tuple[Any, Any]:
    """All events of the batch in one row, `[batch * L]`, and how many there are."""
    (events,) = pack_history(ops.reshape(histories, (1, -1)), "right")
    return events[0], ops.sum(_count(histories))


def _count(histories: Any) -> Any:
    return ops.sum(
        ops.cast(ops.not_equal(histories, 0), "int32"), axis=1, keepdims=True
    )


def _integers(low: int, high: Any, seed: keras.random.SeedGenerator) -> Any:
    """Integers of `low` to `high`, both included, in the shape of `high`."""
    width = ops.cast(high - low + 1, "float32")
    drawn = keras.random.uniform(ops.shape(high), seed=seed) * width
    # A float32 product may round up to the width itself.
    return ops.minimum(low + ops.cast(drawn, "int32"), high)
