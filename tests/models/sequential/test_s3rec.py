from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from next_item_zoo import BATCH, ITEMS, LENGTH, TAGS, small

from clickwright.models import registry
from clickwright.models.sequential.s3rec import S3Rec
from clickwright.models.sequential.s3rec_corruption import S3RecCorruption
from clickwright.schemas.model_input import ModelInput

MASK = 100


def drawn(share: float = 0.2, rows: int = 4000) -> tuple[Any, dict[str, Any]]:
    """Histories of distinct items, 1 to 8 of them, and what is hidden."""
    random = np.random.default_rng(2)
    counts = random.integers(1, 9, rows)
    histories = np.arange(1, 9) + 9 * random.integers(0, 11, (rows, 1))
    histories = np.where(np.arange(8) >= 8 - counts[:, None], histories, 0)
    found = S3RecCorruption.draw(
        histories.astype(np.int32), MASK, share, keras.random.SeedGenerator(3)
    )
    return histories, {k: np.asarray(v) for k, v in vars(found).items()}


def test_rows_are_beginnings_of_histories_all_equally_likely() -> None:
    histories, found = drawn()
    shares = []
    for history, items in zip(histories, found["items"], strict=True):
        whole, part = history[history > 0], items[items > 0]
        assert len(part) >= 1
        np.testing.assert_array_equal(part, whole[: len(part)])
        assert (items[-len(part) :] > 0).all()
        if len(whole) == 4:
            shares.append(len(part))
    np.testing.assert_allclose(
        np.bincount(shares, minlength=5)[1:] / len(shares), 0.25, atol=0.06
    )


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_items_are_masked_with_the_probability_and_the_last_always(
    share: float,
) -> None:
    _, found = drawn(share)
    items, shown = found["items"], found["shown"]
    hidden = shown == MASK
    np.testing.assert_array_equal(shown, np.where(hidden, MASK, items))
    assert hidden[:, -1].all()
    assert not (hidden & (items == 0)).any()
    assert hidden[:, :-1][items[:, :-1] > 0].mean() == pytest.approx(share, abs=0.02)


def test_a_segment_is_1_to_half_of_the_items_and_moves_about() -> None:
    histories, found = drawn()
    events = histories[histories > 0]
    firsts, lengths = [], []
    for n, items in enumerate(found["items"]):
        count = int((items > 0).sum())
        inside = (found["hole"][n] == MASK).nonzero()[0]
        assert bool(found["segmented"][n]) == (count > 1)
        if count == 1:
            assert not len(inside)
            continue
        assert 1 <= len(inside) <= count // 2
        assert inside[0] >= 8 - count
        np.testing.assert_array_equal(np.diff(inside), 1)
        for name in ("segment", "other"):
            values = found[name][n]
            assert (values[: 8 - count] == 0).all()
            outside = np.setdiff1d(np.arange(8 - count, 8), inside)
            assert (values[outside] == MASK).all()
        np.testing.assert_array_equal(found["segment"][n, inside], items[inside])
        other = found["other"][n, inside]
        assert ((other > 0) & (other != MASK)).all()
        if n < 50:
            windows = np.lib.stride_tricks.sliding_window_view(events, len(other))
            assert (windows == other).all(axis=1).any()
        if count == 8:
            firsts.append(inside[0])
            lengths.append(len(inside))
    assert set(lengths) == {1, 2, 3, 4}
    assert set(firsts) == set(range(8))
    same = (found["other"] == found["segment"]).all(axis=1)[found["segmented"]]
    assert same.mean() < 0.2


@pytest.mark.parametrize("pretraining", [False, True])
def test_the_parameters_are_as_many_as_stated(pretraining: bool) -> None:
    d, blocks, inner = 8, 2, 32
    model = S3Rec(
        ITEMS,
        LENGTH,
        {"embedding_dim": d, "pretraining": pretraining},
        attributes=[TAGS],
    )
    each = 4 * (d * d + d) + 2 * d * inner + inner + d + 4 * d
    want = ITEMS * d + LENGTH * d + 2 * d + blocks * each
    if pretraining:
        want += d + 5 * d + 4 * (d * d + d)
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == want
    assert model.stages == (("pretrain", "train") if pretraining else ("train",))


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def test_the_four_losses_are_those_of_loops() -> None:
    model = small("s3rec")
    random = np.random.default_rng(5)
    items = np.array([[0, 0, 3, 1, 4, 2], [5, 9, 2, 6, 8, 3], [0, 0, 0, 0, 0, 7]])
    mask = model.mask
    shown = np.where(random.random((3, 6)) < 0.4, mask, items) * (items > 0)
    shown[:, -1] = mask
    hole, segment, other = items.copy(), items.copy(), items.copy()
    hole[0, 3:5] = hole[1, 2:4] = mask
    segment[0, [2, 5]] = segment[1, [0, 1, 4, 5]] = mask
    other[0] = [0, 0, mask, 9, 2, mask]
    other[1] = [mask, mask, 7, 1, mask, mask]
    segmented = np.array([True, True, False])
    seed = keras.random.SeedGenerator(9)
    got = model.pretraining_losses(
        S3RecCorruption(items, shown, hole, segment, other, segmented),
        seed,
        training=False,
    )

    negative = np.asarray(
        keras.random.randint(
            (3, 6), 1, ITEMS, dtype="int32", seed=keras.random.SeedGenerator(9)
        )
    )
    table = np.array(model.table.embeddings, np.float64)
    tags = np.array(model.attribute_tables[0].embeddings, np.float64)
    of_item = np.array(model.looked_up[0].attributes)

    def states(ids: Any) -> Any:
        return np.asarray(model.encoder(ids), np.float64)

    def dense(name: str, x: Any) -> Any:
        kernel, bias = (np.array(v, np.float64) for v in model.tasks[name].weights)
        return x @ kernel + bias

    want = {"aap": 0.0, "map": 0.0, "mip": 0.0, "sp": 0.0}
    encoded = states(shown)
    hits = 0
    for row, place in zip(*np.nonzero(items), strict=True):
        name = "map" if shown[row, place] == mask else "aap"
        p = sigmoid(tags @ dense(name, encoded[row, place]))
        for a in range(1, 5):
            has = a in of_item[items[row, place]]
            want[name] -= np.log(p[a] if has else 1 - p[a])
        if name == "map":
            if negative[row, place] in items[row]:
                hits += 1
                continue
            projected = dense("mip", encoded[row, place])
            good, bad = (
                sigmoid(table[ids[row, place]] @ projected) for ids in (items, negative)
            )
            want["mip"] -= np.log(sigmoid(good - bad))
    assert hits
    contexts = dense("sp", states(hole)[:, -1])
    segments, others = states(segment)[:, -1], states(other)[:, -1]
    for row in (0, 1):
        good, bad = (sigmoid(contexts[row] @ x[row]) for x in (segments, others))
        want["sp"] -= np.log(sigmoid(good - bad))
    assert got.keys() == want.keys()
    for name, value in want.items():
        assert float(got[name]) == pytest.approx(value / 3, rel=1e-4), name


def test_masked_items_never_cost_less_than_the_floor() -> None:
    model = small("s3rec")
    items = np.array([[0, 0, 1, 2, 3, 4]])
    shown = np.array([[0, 0, 1, 2, 3, model.mask]])
    hidden = S3RecCorruption(items, shown, items, items, items, np.array([False]))
    model.tasks["mip"].bias.assign(np.full(8, 1000.0))
    table = np.full((ITEMS + 1, 8), -1.0)
    table[0], table[4] = 0.0, 1.0
    model.table.embeddings.assign(table)
    for n in range(20):
        losses = model.pretraining_losses(hidden, keras.random.SeedGenerator(n))
        if float(losses["mip"]):  # else the negative was of the history
            assert float(losses["mip"]) == pytest.approx(0.313262, abs=1e-6)
            break
    else:
        raise AssertionError("every negative was of the history")
    assert float(losses["sp"]) == 0.0


def test_without_weights_pretraining_moves_nothing() -> None:
    weights = dict.fromkeys(
        ("aap_weight", "mip_weight", "map_weight", "sp_weight"), 0.0
    )
    model = small("s3rec", **weights)
    with tf.GradientTape() as tape:
        loss = model.loss(BATCH, "pretrain")
    assert float(loss) == 0.0
    for gradient in tape.gradient(loss, model.trainable_variables):
        if gradient is not None:
            assert not np.asarray(tf.convert_to_tensor(gradient)).any()


def test_the_registry_gives_it_the_attributes_of_items() -> None:
    brand = ModelInput("brand", "attribute", "user", "brand", 3, 1, entity="user")
    inputs = (
        ModelInput("item", "id", "item", "item", ITEMS),
        ModelInput("history", "sequence", "user", "item", ITEMS, LENGTH),
        TAGS,
        brand,
    )
    model = registry.build("s3rec", inputs, {"embedding_dim": 8})
    assert [layer.name for layer in model.looked_up] == ["tags"]
    assert (model.looked_up[0].rows, model.looked_up[0].length) == (ITEMS, 2)
    alone = registry.build("s3rec", inputs, {"pretraining": False})
    assert alone.looked_up == []
