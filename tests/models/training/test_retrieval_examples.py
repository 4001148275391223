"""Interactions as batches: what is read, what comes next, what was never taken."""

import numpy as np
import pytest

from clickwright.models.ragged_ids import RaggedIds
from clickwright.models.training.retrieval_examples import RetrievalExamples

ITEMS = 12
IS_ITEM = (np.arange(ITEMS) > 0) & (np.arange(ITEMS) < ITEMS - 1)


def examples(
    seed: int = 0, rows: int = 30
) -> tuple[RetrievalExamples, list[list[int]]]:
    """Rows of few groups, some without history, some with unknown items."""
    rng = np.random.default_rng(seed)
    histories = [
        rng.integers(1, ITEMS, rng.integers(0, 7)).tolist() for _ in range(rows)
    ]
    made = RetrievalExamples(
        rng.integers(1, ITEMS, rows),
        IS_ITEM,
        RaggedIds.of_lengths(np.concatenate(histories), [len(h) for h in histories]),
        user=rng.integers(1, 9, rows),
        group=rng.integers(0, 8, rows) * 2**40,
    )
    return made, histories


def places(history: list[int], item: int, length: int) -> tuple[list[int], list[int]]:
    """Input and next item at each place, event by event."""
    if not length:
        return [], [item if IS_ITEM[item] else 0]
    events = [*history, item]
    read, target = [0] * length, [0] * length
    for back, at in enumerate(range(len(history) - 1, -1, -1)):
        if back < length:
            read[length - 1 - back] = events[at]
            after = events[at + 1]
            target[length - 1 - back] = after if IS_ITEM[after] else 0
    return read, target


@pytest.mark.parametrize("length", [0, 1, 4, 9])
def test_an_epoch_reads_every_row_once_and_asks_for_what_came_next(length: int) -> None:
    made, histories = examples()
    batches = list(made.batches(8, length, 0, (0, 1)))
    assert [len(batch["user"]) for batch in batches] == [8, 8, 8, 6]
    found = sorted(
        (*row["history"], *row["target"], row["user"])
        for batch in batches
        for row in (
            {name: values[n].tolist() for name, values in batch.items()}
            for n in range(len(batch["user"]))
        )
    )
    wanted = []
    for history, item, user in zip(histories, made.item, made.user, strict=True):
        read, target = places(history, int(item), length)
        wanted.append((*read, *target, int(user)))
    assert found == sorted(wanted)
    counts = np.bincount(
        np.concatenate([batch["target"].ravel() for batch in batches]), minlength=ITEMS
    )
    counts[0] = 0
    assert made.target_counts(length).tolist() == counts.tolist()


def test_an_epoch_goes_on_where_it_was_left_and_differs_by_its_seed() -> None:
    made, _ = examples()

    def epoch(number: int, start: int = 0) -> list[list[int]]:
        return [
            np.concatenate([values.ravel() for values in batch.values()]).tolist()
            for batch in made.batches(8, 3, 2, (5, number), start)
        ]

    assert epoch(1, 2) == epoch(1)[2:]
    assert epoch(1) == epoch(1) != epoch(2)


@pytest.mark.parametrize("length", [0, 3])
def test_negatives_are_uniform_over_what_the_group_never_took(length: int) -> None:
    made, histories = examples()
    taken: dict[int, set[int]] = {}
    for row, history in enumerate(histories):
        group = int(made._group[row])
        taken.setdefault(group, set()).update([*history, int(made.item[row])])
    # Each row's user names it, so that batches can be traced back.
    made.user = np.arange(made.rows, dtype=np.int32)
    counts = {group: np.zeros(ITEMS) for group in taken}
    for epoch in range(40):
        for batch in made.batches(7, length, 5, (1, epoch)):
            assert batch["negatives"].shape == (*batch["target"].shape, 5)
            for row, drawn in zip(batch["user"], batch["negatives"], strict=True):
                group = int(made._group[row])
                counts[group] += np.bincount(drawn.ravel(), minlength=ITEMS)
    for group, found in counts.items():
        left = [i for i in np.flatnonzero(IS_ITEM) if i not in taken[group]]
        if not left:
            continue
        assert np.flatnonzero(found).tolist() == left
        share = found[left] / found.sum()
        assert np.abs(share - 1 / len(left)).max() < 6 * np.sqrt(0.25 / found.sum())


def test_who_took_everything_gets_any_item_as_a_negative() -> None:
    made = RetrievalExamples(
        np.array([1, 3]),
        IS_ITEM,
        RaggedIds.of_lengths([*np.flatnonzero(IS_ITEM), 2], [10, 1]),
    )
    (batch,) = made.batches(2, 0, 500, (0, 0))
    rows = {
        int(t[0]): set(n.ravel().tolist())
        for t, n in zip(batch["target"], batch["negatives"], strict=True)
    }
    assert rows[1] == set(np.flatnonzero(IS_ITEM).tolist())
    assert rows[3] == rows[1] - {2, 3}


def test_rows_of_a_group_are_one_request_with_several_positives() -> None:
    made = RetrievalExamples(
        np.array([4, 5, 6, 4]),
        IS_ITEM,
        RaggedIds.of_lengths([1, 2, 1, 2, 3], [2, 0, 2, 1]),
        group=np.array([9, -3, 9, 7]),
    )
    rows, positives = made.queries()
    assert rows.tolist() == [1, 3, 0]
    assert positives.values.tolist() == [5, 4, 4, 6]
    assert positives.lengths.tolist() == [1, 1, 2]
    alone = RetrievalExamples(np.array([4, 5]), IS_ITEM).queries()
    assert alone.rows.tolist() == [0, 1]
