"""The true click probability: its terms by hand, and that each of them counts."""

import dataclasses
import math

import numpy as np
import pytest

from clickwright.schemas.marketplace import truth
from clickwright.schemas.marketplace.truth import (
    BUY_FIT,
    BUY_FLOOR,
    DAY,
    MEMORY,
    NO_ITEM,
    PRICE_PEAK,
    PRICE_WIDTH,
    SHARPNESS,
    START,
    Requests,
    Weights,
    click_probability,
)
from clickwright.schemas.marketplace.world import World

USERS, ITEMS = 30, 60


@pytest.fixture(scope="module")
def world() -> World:
    return World.create(USERS, ITEMS, seed=3)


@pytest.fixture(scope="module")
def requests() -> Requests:
    rng = np.random.default_rng(1)
    history = rng.integers(ITEMS, size=(25, 7))
    history[rng.random(history.shape) < 0.3] = NO_ITEM
    history[0] = NO_ITEM
    timestamp = START + rng.integers(14 * DAY, size=25)
    return Requests(
        user=rng.integers(USERS, size=25),
        timestamp=timestamp,
        device=rng.integers(3, size=25),
        items=rng.integers(ITEMS, size=(25, 4)),
        history=history,
        history_times=timestamp[:, None] - rng.integers(1, 9 * DAY, size=(25, 7)),
    )


def test_the_probability_is_the_documented_sum_of_scalars(
    world: World, requests: Requests
) -> None:
    weights = Weights()
    vectorised = click_probability(world, weights, requests)
    for row in range(len(requests.user)):
        for position in range(requests.items.shape[1]):
            expected = _by_hand(world, weights, requests, row, position)
            assert vectorised[row, position] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Weights)])
def test_every_effect_moves_the_probabilities(
    world: World, requests: Requests, name: str
) -> None:
    without = dataclasses.replace(Weights(), **{name: 0.0})
    moved = np.abs(
        click_probability(world, Weights(), requests)
        - click_probability(world, without, requests)
    )
    assert moved.max() > 0.01


def test_lower_positions_are_clicked_less(world: World) -> None:
    same = np.full((1, 10), 5)
    probability = click_probability(world, Weights(), _request(same))[0]
    assert np.all(np.diff(probability) < 0)
    # The share that examination alone leaves to the place below the first.
    assert probability[1] / probability[0] == pytest.approx(2 ** -Weights().examination)


def test_the_price_attracts_most_somewhat_below_the_budget(world: World) -> None:
    ratios = np.exp(np.linspace(-3.0, 3.0, 61))
    priced = dataclasses.replace(
        world, price=(ratios * world.budget[0]).astype(np.float32)
    )
    fits = truth.price_fit(priced, _request(np.arange(len(ratios))[None, :]))[0]
    best = int(fits.argmax())
    assert ratios[best] == pytest.approx(math.exp(PRICE_PEAK), rel=0.06)
    assert np.all(np.diff(fits[: best + 1]) > 0)
    assert np.all(np.diff(fits[best:]) < 0)


def test_an_item_clicked_just_now_attracts_most_and_an_old_click_least(
    world: World,
) -> None:
    shown = np.array([[5]])
    other = int(np.flatnonzero(world.category != world.category[5])[0])

    def interest(item: int, age: int) -> float:
        request = _request(shown, history=[item], times=[START - age])
        return float(truth.interest(world, request)[0, 0])

    assert interest(5, 1) > interest(other, 1)
    assert interest(5, 1) > interest(5, 5 * DAY) > interest(5, 60 * DAY) > 0
    assert interest(5, 60 * DAY) < 0.01
    # Likeness 1: e / (1 + e) with e = exp(SHARPNESS).
    weight = math.exp(SHARPNESS)
    assert interest(5, 0) == pytest.approx(weight / (1 + weight), rel=1e-5)


def test_an_empty_history_says_nothing(world: World) -> None:
    shown = np.arange(10)[None, :]
    assert not truth.interest(world, _request(shown)).any()
    padded = _request(shown, history=[NO_ITEM], times=[START])
    assert not truth.interest(world, padded).any()


def test_items_without_a_vector_are_alike_by_their_category_alone(
    world: World,
) -> None:
    bare = dataclasses.replace(world, vector=np.zeros_like(world.vector))
    keys = bare.likeness_keys
    same = world.category[:, None] == world.category
    np.testing.assert_allclose(keys @ keys.T, 0.5 * same, atol=1e-6)


def test_attention_is_a_block_at_a_time_without_seams(
    world: World, requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = truth.interest(world, requests)
    monkeypatch.setattr(truth, "_BLOCK", 4)
    np.testing.assert_allclose(truth.interest(world, requests), whole, atol=1e-6)


def test_tastes_drift_but_keep_their_direction_for_a_while(world: World) -> None:
    users = np.arange(USERS)
    at = [
        truth.taste_at(world, users, np.full(USERS, START + days * DAY))
        for days in (0, 1, 14)
    ]
    np.testing.assert_array_equal(at[0], world.taste)
    moved = [float(np.linalg.norm(later - at[0])) for later in at[1:]]
    assert 0 < moved[0] < moved[1]
    cosine = np.sum(at[0] * at[2], axis=1) / (
        np.linalg.norm(at[0], axis=1) * np.linalg.norm(at[2], axis=1)
    )
    assert np.median(cosine) > 0.7


def test_style_and_appeal_stand_in_the_vector_alone() -> None:
    big = World.create(50, 20_000, seed=3)
    for hidden in (big.appeal, *big.style.T):
        assert hidden.std() == pytest.approx(1.0, abs=0.05)
        for column in (big.category, big.brand):
            means = np.bincount(column, hidden) / np.bincount(column)
            # 400 and more items a value: means of pure noise stay below 5 sigma.
            assert np.abs(means).max() < 5 / math.sqrt(np.bincount(column).min())
        assert abs(np.corrcoef(hidden, np.log(big.price))[0, 1]) < 0.03


def test_a_fitting_price_is_bought_more(world: World) -> None:
    request = _request(np.arange(ITEMS)[None, :])
    bought = truth.purchase_probability(world, request)
    fit = truth.price_fit(world, request)
    np.testing.assert_allclose(bought, BUY_FLOOR + BUY_FIT * fit)
    assert 0 < bought.min() < bought.max() < 1


def _request(
    items: np.ndarray, history: list[int] | None = None, times: list[int] | None = None
) -> Requests:
    """One request of user 0 at the start of the log."""
    return Requests(
        user=np.array([0]),
        timestamp=np.array([START]),
        device=np.array([1]),
        items=items,
        history=np.array([history or []], dtype=np.int64),
        history_times=np.array([times or []], dtype=np.int64),
    )


def _by_hand(
    world: World, weights: Weights, requests: Requests, row: int, position: int
) -> float:
    """The module's formula, one row and one number at a time."""
    user, item = int(requests.user[row]), int(requests.items[row, position])
    time, device = int(requests.timestamp[row]), int(requests.device[row])
    segment, category = int(world.segment[user]), int(world.category[item])
    brand = int(world.brand[item])

    def style(of: int) -> list[float]:
        return [
            sum(float(v) * a for v, a in zip(world.vector[of], axis, strict=True))
            for axis in world.style_axes.T
        ]

    ratio = math.log(float(world.price[item]) / world.budget[user])
    fit = math.exp(-(((ratio - PRICE_PEAK) / PRICE_WIDTH) ** 2) / 2)
    appeal = sum(
        float(v) * a for v, a in zip(world.vector[item], world.appeal_axis, strict=True)
    )
    angle = world.turn[user] * (time - START) / DAY
    wanted = [
        math.cos(angle) * now + math.sin(angle) * later
        for now, later in zip(world.taste[user], world.later_taste[user], strict=True)
    ]
    own = style(item)
    attention = attended = 0.0
    for clicked, when in zip(
        requests.history[row], requests.history_times[row], strict=True
    ):
        if clicked == NO_ITEM:
            continue
        its = style(int(clicked))
        cosine = sum(a * b for a, b in zip(own, its, strict=True)) / math.sqrt(
            sum(a * a for a in own) * sum(b * b for b in its)
        )
        likeness = 0.5 * (world.category[clicked] == category) + 0.5 * cosine
        weight = math.exp(SHARPNESS * likeness - (time - int(when)) / MEMORY)
        attention += weight
        attended += weight * likeness
    hour = time // 3600 % 24
    attraction = (
        weights.bias
        + weights.category * world.category_effect[category]
        + weights.brand * world.brand_effect[brand]
        + weights.segment_category * world.segment_category[segment, category]
        + weights.segment_brand * world.segment_brand[segment, brand]
        + weights.device_hour * world.device_hour[device, hour // 4]
        + weights.price * (2 * fit - 1)
        + weights.appeal * appeal
        + weights.taste
        * sum(a * b for a, b in zip(wanted, own, strict=True))
        / math.sqrt(8)
        + weights.history * attended / (1 + attention)
    )
    return (1 + position) ** -weights.examination / (1 + math.exp(-attraction))
