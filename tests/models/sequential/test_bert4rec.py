import keras
import numpy as np
import pytest
from next_item_zoo import HISTORY, ITEMS, LENGTH, TARGET, small

from clickwright.models.sequential.bert4rec import BERT4Rec


def test_the_parameters_are_as_many_as_stated() -> None:
    d, inner, blocks = 8, 12, 2
    model = BERT4Rec(ITEMS, LENGTH, {"embedding_dim": d, "inner": inner})
    each = 4 * (d * d + d) + 2 * d * inner + inner + d + 4 * d
    encoder = (ITEMS + 1) * d + LENGTH * d + 2 * d + blocks * each
    want = encoder + d * d + d + 2 * d + ITEMS
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == want


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_the_share_of_masked_items_is_that_of_the_parameters(share: float) -> None:
    model = BERT4Rec(
        9, 50, {"embedding_dim": 4, "mask_share": share, "last_share": 0.0}
    )
    random = np.random.default_rng(1)
    counts = random.integers(5, 51, 10_000)
    items = np.where(np.arange(50) < counts[:, None], 3, 0)
    places, weights = (
        np.asarray(x) for x in model.draw_places(items, keras.random.SeedGenerator(2))
    )
    np.testing.assert_array_equal(
        weights.sum(1), np.maximum(np.round(np.float32(share) * counts), 1)
    )
    assert weights.sum() / counts.sum() == pytest.approx(share, abs=0.01)
    assert (places[weights > 0] < np.repeat(counts, weights.sum(1).astype(int))).all()
    chosen = np.where(weights > 0, places, -1 - np.arange(places.shape[1]))
    assert all(len(set(row)) == len(row) for row in chosen[:100])
    early = (places < counts[:, None] / 2)[weights > 0].mean()
    assert early == pytest.approx(0.5, abs=0.02)


def test_of_some_rows_the_last_item_alone_is_masked() -> None:
    model = BERT4Rec(9, 20, {"embedding_dim": 4, "last_share": 0.25})
    counts = np.random.default_rng(1).integers(5, 21, 8_000)
    items = np.where(np.arange(20) < counts[:, None], 3, 0)
    places, weights = (
        np.asarray(x) for x in model.draw_places(items, keras.random.SeedGenerator(2))
    )
    alone = weights.sum(1) == 1
    assert alone.mean() == pytest.approx(0.25, abs=0.02)
    np.testing.assert_array_equal(places[alone, 0], counts[alone] - 1)


def test_a_gap_depends_on_both_sides() -> None:
    model = small("bert4rec")
    ids = np.array([[3, 1, model.mask, 2, 5, 0]])
    here = np.asarray(model.states({"history": ids}))[0, 2]
    for place in (0, 1, 3, 4):
        other = ids.copy()
        other[0, place] = 9
        there = np.asarray(model.states({"history": other}))[0, 2]
        assert np.abs(here - there).max() > 1e-4


def test_a_request_is_a_mask_after_the_latest_events() -> None:
    model = small("bert4rec")
    query = np.asarray(model.query({"history": HISTORY}))
    asked = np.array(
        [
            [3, 1, 4, 2, model.mask, 0],
            [9, 2, 6, 5, 3, model.mask],
            [7, model.mask, 0, 0, 0, 0],
            [model.mask, 0, 0, 0, 0, 0],
        ]
    )
    states = np.asarray(model.states({"history": asked}))
    want = states[np.arange(4), [4, 5, 1, 0]]
    np.testing.assert_allclose(query, want, atol=1e-5)


def test_the_loss_is_the_cross_entropy_of_masked_items_among_all() -> None:
    model = small("bert4rec", dropout=0.0, attention_dropout=0.0)
    sequences = np.array(
        [[3, 1, 4, 2, 8, 0], [9, 2, 6, 5, 3, 10], [7, 1, 0, 0, 0, 0], [0] * 6]
    )
    places, weights = (
        np.asarray(x)
        for x in model.draw_places(sequences, keras.random.SeedGenerator(6))
    )
    ids = sequences.copy()
    for row, place in _masked(places, weights):
        ids[row, place] = model.mask
    states = np.asarray(model.states({"history": ids}), np.float64)
    table = np.array(model.item_matrix(), np.float64)[1:]
    bias = np.array(model.item_bias(), np.float64)[1:]
    losses = []
    for row, place in _masked(places, weights):
        logits = table @ states[row, place] + bias
        own = logits[sequences[row, place] - 1]
        losses.append(np.log(np.exp(logits).sum()) - own)
    got = model.loss(
        {"history": HISTORY, "target": TARGET}, seed=keras.random.SeedGenerator(6)
    )
    assert float(got) == pytest.approx(np.mean(losses), rel=1e-4)


def _masked(places: np.ndarray, weights: np.ndarray) -> list[tuple[int, int]]:
    rows, columns = np.nonzero(weights)
    return [(int(r), int(places[r, c])) for r, c in zip(rows, columns, strict=True)]
