"""Interactions in memory, as retrieval models are trained and judged on them."""

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from clickwright.models.ragged_ids import RaggedIds
from clickwright.models.training.prefetched import prefetched


class Queries(NamedTuple):
    """Requests, each with all that it should find.

    Attributes:
        rows: the row of each that says what is known of it, `[queries]`.
        positives: the items that it should find.
    """

    rows: np.ndarray[Any, Any]
    positives: RaggedIds


class RetrievalExamples:
    """The rows of one split: who took which item, after what.

    Args:
        item: the item that was taken, `[rows]`.
        history: earlier items that models read, oldest first; none when None.
        seen: what must not be recommended; the history when None.
        user: the user's id, `[rows]`; 0 when None.
        group: rows of one request have the same number, `[rows]`; each row is a
            request of its own when None.
        is_item: which rows of the item table are items, `[items]`; those of padding
            and of unknown values are not, and are never targets or negatives.
    """

    def __init__(
        self,
        item: np.ndarray[Any, Any],
        is_item: np.ndarray[Any, Any],
        history: RaggedIds | None = None,
        seen: RaggedIds | None = None,
        user: np.ndarray[Any, Any] | None = None,
        group: np.ndarray[Any, Any] | None = None,
    ) -> None:
        rows = len(item)
        self.item = np.asarray(item, np.int32)
        self.is_item = is_item
        self.history = history or RaggedIds.of_lengths([], np.zeros(rows, np.int64))
        self.seen = seen or self.history
        self.user = np.asarray(np.zeros(rows) if user is None else user, np.int32)
        _, self._group = np.unique(
            np.arange(rows) if group is None else group, return_inverse=True
        )
        self.rows = rows

    def queries(self) -> Queries:
        """One request a group; its first row says what is known of it."""
        _, first = np.unique(self._group, return_index=True)
        return Queries(first, RaggedIds.of_pairs(self._group, self.item, len(first)))

    def features(self, rows: Any, length: int) -> dict[str, np.ndarray[Any, Any]]:
        """What retrieval models read of some rows: `history` and `user`."""
        return {
            "history": self.history.take(rows).last(length),
            "user": self.user[rows],
        }

    def target_counts(self, length: int) -> np.ndarray[Any, Any]:
        """How often an epoch asks for each item, int64 `[items]`."""
        _, targets = self._places(np.arange(self.rows), length)
        counts = np.bincount(targets.ravel(), minlength=len(self.is_item))
        counts[~self.is_item] = 0
        return counts

    def batches(
        self,
        batch_size: int,
        length: int,
        negatives: int,
        seed: tuple[int, ...],
        start: int = 0,
    ) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
        """Goes through the rows once, in an order that the seed decides.

        Args:
            batch_size: rows a batch; the last may be smaller.
            length: places of a history. A history and the item after it teach the
                next item at each of the latest `length` places. Models without
                histories have 0, and one target a row.
            negatives: negatives a target, uniform over the items that the row's group
                never took; 0 for none.
            seed: decides order and negatives.
            start: leaves out this many batches; the rest is what it is without.

        Yields:
            int32 arrays: `history` `[batch, length]`, padded on the left; `target`
            `[batch, length]` or `[batch, 1]`, 0 where there is none; `user`
            `[batch]`; and `negatives`, as `target` with one axis more.
        """
        return prefetched(self._batches(batch_size, length, negatives, seed, start))

    def _batches(
        self,
        batch_size: int,
        length: int,
        negatives: int,
        seed: tuple[int, ...],
        start: int,
    ) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
        order = np.random.default_rng(seed).permutation(self.rows)
        for step in range(start, -(-self.rows // batch_size)):
            rows = order[step * batch_size : (step + 1) * batch_size]
            history, target = self._places(rows, length)
            batch = {"history": history, "target": target, "user": self.user[rows]}
            if negatives:
                rng = np.random.default_rng((*seed, step))
                shape = (*target.shape, negatives)
                batch["negatives"] = self._negatives(rows, shape, rng)
            yield batch

    def _places(
        self, rows: np.ndarray[Any, Any], length: int
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """What is read at each place, and the item after it."""
        item = self.item[rows, None]  # [B, 1]
        history = self.history.take(rows).last(length)  # [B, L]
        target = np.concatenate([history[:, 1:], item], axis=1) if length else item
        # The place before the oldest event has no event to read.
        target = np.where(self.is_item[target], target, 0)
        return history, np.where(history > 0, target, 0) if length else target

    def _negatives(
        self,
        rows: np.ndarray[Any, Any],
        shape: tuple[int, ...],
        rng: np.random.Generator,
    ) -> np.ndarray[Any, Any]:
        keys, taken = self._taken
        groups = self._group[rows].reshape(-1, *[1] * (len(shape) - 1))
        items = self._items
        left = len(items) - np.diff(taken)[groups]
        # Who took everything gets any item.
        number = rng.integers(0, np.where(left > 0, left, len(items)), shape)
        before = np.searchsorted(keys, groups << 32 | number, "right") - taken[groups]
        place = number + np.where(left > 0, before, 0)
        return items[place]

    @functools.cached_property
    def _items(self) -> np.ndarray[Any, Any]:
        return np.flatnonzero(self.is_item).astype(np.int32)

    @functools.cached_property
    def _taken(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """What each group took, so that the n-th item it did not take is found at once.

        Of a group whose items have the places `p_0 < p_1 < ...` among all items, `p_j -
        j` others lie before the `j`-th: `n` plus the number of `j` with `p_j - j <= n`
        is the place of the `n`-th other. The keys are group and `p_j - j`, sorted.
        """
        parts = (self.history, self.seen)
        groups = [self._group[part.row_numbers()] for part in parts]
        count = int(self._group.max(initial=-1)) + 1
        taken = (
            RaggedIds.of_pairs(
                np.concatenate([*groups, self._group]),
                np.concatenate([*(part.values for part in parts), self.item]),
                count,
            )
            .without(np.flatnonzero(~self.is_item))
            .distinct()
        )
        places = np.searchsorted(self._items, taken.values)
        rows = taken.row_numbers()
        others = places - (np.arange(len(places)) - taken.offsets[rows])
        return rows << 32 | others, taken.offsets
