"""The history of each row at its own time."""

import pathlib
from collections.abc import Mapping
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

Integers = npt.NDArray[np.int64]

_KEYS, _TIMES, _EVENTS = "keys.arrow", "times.arrow", "events.arrow"
_PLACE = "place"


class EventHistories:
    """Events of one sequence, sorted by key and time, looked up by key and time.

    An event's place is `key * (times + 1) + rank of its time`, which ascends; one
    binary search finds the events of a key before a time.

    Args:
        keys: the distinct keys.
        times: the distinct times, ascending.
        events: `place`, and the values of each list column.
    """

    def __init__(self, keys: pa.Array, times: Integers, events: pa.Table) -> None:
        self._keys = keys
        self._times = times
        self._events = events
        self._place = events[_PLACE].combine_chunks().to_numpy()
        self._index: pd.Index | None = None

    @classmethod
    def sort(
        cls,
        keys: pa.Array,
        codes: npt.NDArray[np.integer],
        times: Integers,
        values: Mapping[str, pa.Array],
    ) -> tuple[Self, int]:
        """Sorts events; those of one key and time keep their order.

        Args:
            keys: the distinct keys.
            codes: index in `keys` of each event's key, `[events]`.
            times: of each event, `[events]`.
            values: of each event, by list column.

        Returns:
            The histories, and how many events stood after a later one of their key.
        """
        distinct, ranks = np.unique(times, return_inverse=True)
        place = codes.astype(np.int64) * (len(distinct) + 1) + ranks
        by_key = np.argsort(codes, kind="stable")
        same_key = codes[by_key][1:] == codes[by_key][:-1]
        back = (ranks[by_key][1:] < ranks[by_key][:-1]) & same_key
        order = np.argsort(place, kind="stable") if back.any() else by_key
        indices = pa.array(order)
        events = pa.table(
            {_PLACE: place[order]}
            | {f"value {name}": column.take(indices) for name, column in values.items()}
        )
        return cls(keys, distinct, events), int(back.sum())

    def write(self, folder: pathlib.Path) -> None:
        """Writes Arrow files, which all workers map into memory once."""
        folder.mkdir(parents=True)
        for name, table in (
            (_KEYS, pa.table({"key": self._keys})),
            (_TIMES, pa.table({"time": self._times})),
            (_EVENTS, self._events.combine_chunks()),
        ):
            with (
                pa.OSFile(str(folder / name), "wb") as file,
                pa.ipc.new_file(file, table.schema) as writer,
            ):
                writer.write_table(table)

    @classmethod
    def open(cls, folder: pathlib.Path) -> Self:
        """Maps what `write` wrote."""
        keys, times, events = (
            pa.ipc.open_file(pa.memory_map(str(folder / name))).read_all()
            for name in (_KEYS, _TIMES, _EVENTS)
        )
        return cls(
            keys["key"].combine_chunks(),
            times["time"].combine_chunks().to_numpy(),
            events,
        )

    def before(
        self, keys: pa.Array, times: Integers, length: int
    ) -> dict[str, pa.ListArray]:
        """The latest `length` events of each key before each time, oldest first.

        Args:
            keys: key of each row, `[rows]`; null and unknown ones have no events.
            times: `[rows]`; events of this very time are left out.
            length: most events a row.

        Returns:
            Lists `[rows]` by list column.
        """
        codes = self._codes(keys)
        step = len(self._times) + 1
        first = np.searchsorted(self._place, codes * step)
        ranks = np.searchsorted(self._times, times)  # distinct times before
        end = np.searchsorted(self._place, codes * step + ranks)
        begin = np.maximum(first, end - length)
        counts = np.where(codes < 0, 0, end - begin)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        events = np.arange(offsets[-1]) + np.repeat(begin - offsets[:-1], counts)
        indices, starts = pa.array(events), pa.array(offsets, pa.int32())
        return {
            name.removeprefix("value "): pa.ListArray.from_arrays(
                starts, self._events[name].take(indices).combine_chunks()
            )
            for name in self._events.column_names
            if name != _PLACE
        }

    def _codes(self, keys: pa.Array) -> Integers:
        """Index of each row's key, -1 where it has no events."""
        if self._index is None:
            self._index = pd.Index(self._keys.to_numpy(zero_copy_only=False))
        missing = keys.is_null().to_numpy(zero_copy_only=False)
        if pa.types.is_integer(keys.type):
            keys = keys.fill_null(0)
        codes = self._index.get_indexer(keys.to_numpy(zero_copy_only=False))
        return np.where(missing, -1, codes)
