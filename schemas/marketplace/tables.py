"""The simulated shop in Arrow."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clickwright.schemas.marketplace.simulator import LogChunk
from clickwright.schemas.marketplace.truth import DAY, NO_ITEM, Requests
from clickwright.schemas.marketplace.world import (
    AGE_GROUPS,
    BRANDS,
    CATEGORIES,
    DEVICES,
    SEGMENTS,
    VECTOR_WIDTH,
    Ints,
    World,
)

ROWS = 100_000
"""Rows of one table of the log, at least, but for the last."""

_USER = ("user", "segment", "age_group", "budget")
_HISTORY = ("history", "history_category", "history_times")


def items_table(world: World) -> pa.Table:
    """What the shop sells, one row an item in the order of their ids."""
    return pa.table(
        {
            "item": np.arange(len(world.category)),
            "category": _named(CATEGORIES, world.category).cast(pa.string()),
            "brand": _named(BRANDS, world.brand).cast(pa.string()),
            "price": world.price,
            "vector": pa.FixedSizeListArray.from_arrays(
                world.vector.reshape(-1), VECTOR_WIDTH
            ),
        }
    )


def log_tables(world: World, chunks: Iterable[LogChunk]) -> Iterator[pa.Table]:
    """The log as tables of at least `ROWS` rows, one row an item shown."""
    first = 0  # request of the next table
    waiting: list[LogChunk] = []
    rows = 0
    for chunk in chunks:
        waiting.append(chunk)
        rows += chunk.clicks.size
        if rows >= ROWS:
            yield _log_table(world, waiting, first)
            first += sum(len(chunk.clicks) for chunk in waiting)
            waiting, rows = [], 0
    if waiting:
        yield _log_table(world, waiting, first)


def _log_table(world: World, chunks: Sequence[LogChunk], first: int) -> pa.Table:
    shown = Requests(
        *(
            np.concatenate([getattr(chunk.requests, name) for chunk in chunks])
            for name in Requests.__dataclass_fields__
        )
    )
    clicks = np.concatenate([chunk.clicks for chunk in chunks])
    probabilities = np.concatenate([chunk.probabilities for chunk in chunks])
    requests, positions = shown.items.shape
    row = np.repeat(np.arange(requests), positions)  # the request of every row
    item = shown.items.reshape(-1)
    asked = requests_table(world, shown).take(pa.array(row))
    columns = {
        "click": clicks.reshape(-1).astype(np.int64),
        **{name: asked[name] for name in _USER},
        "item": item,
        "category": _named(CATEGORIES, world.category[item]),
        "brand": _named(BRANDS, world.brand[item]),
        "price": world.price[item],
        **{name: asked[name] for name in ("device", "hour", "weekday")},
        "position": np.tile(np.arange(positions), requests),
        **{name: asked[name] for name in _HISTORY},
        "timestamp": asked["timestamp"],
        "request": first + row,
        "true_probability": probabilities.reshape(-1),
    }
    return pa.table(columns)


def requests_table(world: World, requests: Requests) -> pa.Table:
    """What is known of user and context, one row a request.

    The columns are those of the log that do not hang on the items shown.
    """
    user, time = requests.user, requests.timestamp
    kept = requests.history != NO_ITEM
    clicked = requests.history[kept]
    return pa.table(
        {
            "user": user,
            "segment": _named(SEGMENTS, world.segment[user]),
            "age_group": _named(AGE_GROUPS, world.age_group[user]),
            "budget": world.budget[user].astype(np.float32),
            "device": _named(DEVICES, requests.device),
            "hour": time % DAY // 3_600,
            "weekday": (time // DAY + 3) % 7,  # 1970-01-01 was a Thursday
            "history": _lists(pa.array(clicked), kept),
            "history_category": _lists(
                _named(CATEGORIES, world.category[clicked]), kept
            ),
            "history_times": _lists(pa.array(requests.history_times[kept]), kept),
            "timestamp": time,
        }
    )


def _named(names: Sequence[str], codes: Ints) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(codes.astype(np.int8), list(names))


def _lists(values: pa.Array, kept: npt.NDArray[np.bool_]) -> pa.ListArray:
    """The values as one list a row of `kept`, as long as its true places."""
    offsets = np.r_[0, np.cumsum(kept.sum(axis=1))]
    return pa.ListArray.from_arrays(offsets.astype(np.int32), values)
