"""The log's causality and the shop's answers online."""

import dataclasses
import re
from typing import Any

import numpy as np
import pytest

from clickwright.schemas.errors import DataError
from clickwright.schemas.marketplace.histories import Histories
from clickwright.schemas.marketplace.simulator import (
    HISTORY_LENGTH,
    PAGE,
    Context,
    LogChunk,
    Marketplace,
)
from clickwright.schemas.marketplace.truth import DAY, NO_ITEM, START, Weights
from clickwright.schemas.marketplace.world import DEVICES

USERS, ITEMS, DAYS = 40, 80, 3
NOON = START + DAY // 2


@pytest.fixture(scope="module")
def shop() -> Marketplace:
    return Marketplace(USERS, ITEMS, seed=5)


@pytest.fixture(scope="module")
def log(shop: Marketplace) -> list[LogChunk]:
    return list(shop.log(8_000, DAYS))


def test_the_same_seed_gives_the_same_log_and_another_seed_another(
    log: list[LogChunk],
) -> None:
    def rows(seed: int) -> list[LogChunk]:
        return list(Marketplace(USERS, ITEMS, seed).log(8_000, DAYS))

    again = rows(5)
    for one, other in zip(log, again, strict=True):
        np.testing.assert_array_equal(one.clicks, other.clicks)
        np.testing.assert_array_equal(one.probabilities, other.probabilities)
        for field in dataclasses.fields(one.requests):
            np.testing.assert_array_equal(
                getattr(one.requests, field.name), getattr(other.requests, field.name)
            )
    assert not np.array_equal(rows(6)[0].requests.items, log[0].requests.items)


def test_the_log_is_in_the_order_of_time_and_fills_its_days(
    log: list[LogChunk],
) -> None:
    time = np.concatenate([chunk.requests.timestamp for chunk in log])
    assert len(time) == 8_000 // PAGE
    assert np.all(np.diff(time) >= 0)
    assert time[0] >= START
    assert time[-1] < START + DAYS * DAY
    assert set(time // DAY - START // DAY) == set(range(DAYS))


def test_no_page_shows_an_item_twice(log: list[LogChunk]) -> None:
    for chunk in log:
        assert all(len(set(page)) == PAGE for page in chunk.requests.items.tolist())


def test_histories_are_exactly_the_clicks_of_earlier_hours(
    log: list[LogChunk],
) -> None:
    known: dict[int, list[tuple[int, int]]] = {}
    seen_after_start = 0
    for chunk in log:
        asked = chunk.requests
        new: list[tuple[int, int, int]] = []
        for row, user in enumerate(asked.user.tolist()):
            kept = asked.history[row] != NO_ITEM
            items = asked.history[row][kept].tolist()
            times = asked.history_times[row][kept].tolist()
            assert all(time < asked.timestamp[row] for time in times)
            assert times == sorted(times)
            history = list(zip(items, times, strict=True))
            if user not in known:  # what the month before the log left
                assert all(time < START for time in times)
                known[user] = history
            assert history == known[user][-HISTORY_LENGTH:]
            seen_after_start += sum(time >= START for time in times)
            for place in np.flatnonzero(chunk.clicks[row]).tolist():
                item, time = asked.items[row, place], asked.timestamp[row]
                new.append((user, int(item), int(time)))
        for user, item, time in new:
            known[user].append((item, time))
    assert seen_after_start > 1_000


def test_clicks_are_drawn_with_the_true_probabilities(log: list[LogChunk]) -> None:
    clicks = np.concatenate([chunk.clicks for chunk in log])
    probabilities = np.concatenate([chunk.probabilities for chunk in log])
    for part in (probabilities < 0.1, probabilities >= 0.1):
        p = probabilities[part]
        sigma = np.sqrt(np.sum(p * (1 - p)))
        assert abs(clicks[part].sum() - p.sum()) < 4 * sigma


def test_histories_keep_the_latest_clicks_in_order() -> None:
    rng = np.random.default_rng(0)
    histories = Histories(users=6, length=3)
    by_hand: dict[int, list[tuple[int, int]]] = {user: [] for user in range(6)}
    clock = 0
    for size in (0, 1, 20, 5):
        users, items = rng.integers(5, size=size), rng.integers(99, size=size)
        times = clock + np.arange(size)
        clock += size
        histories.append(users, items, times)
        for click in zip(users.tolist(), items.tolist(), times.tolist(), strict=True):
            by_hand[click[0]].append(click[1:])
    for user, clicks in by_hand.items():
        latest = clicks[-3:]
        pad = 3 - len(latest)
        assert histories.items[user].tolist() == [NO_ITEM] * pad + [
            item for item, _ in latest
        ]
        assert histories.times[user].tolist()[pad:] == [time for _, time in latest]


def test_online_answers_follow_the_function_that_made_the_log(
    shop: Marketplace, log: list[LogChunk]
) -> None:
    for chunk in (log[0], log[-1]):
        asked = chunk.requests
        response = shop.respond(
            asked.user,
            Context(
                timestamp=asked.timestamp,
                device=[DEVICES[code] for code in asked.device],
                history=asked.history,
                history_times=asked.history_times,
            ),
            asked.items,
            seed=1,
        )
        np.testing.assert_allclose(
            response.probabilities, chunk.probabilities, rtol=0, atol=1e-6
        )


def test_one_request_is_answered_like_a_batch_of_one(shop: Marketplace) -> None:
    ranked = [4, 9, 2]
    one = shop.respond(3, Context(NOON, "phone"), ranked, seed=8)
    batch = shop.respond([3], Context([NOON], ["phone"]), [ranked], seed=8)
    for name in ("clicks", "revenue", "probabilities"):
        assert getattr(one, name).shape == (3,)
        np.testing.assert_array_equal(getattr(one, name), getattr(batch, name)[0])


def test_answers_depend_on_the_seed_alone_and_a_generator_goes_on(
    shop: Marketplace,
) -> None:
    users = np.arange(USERS).repeat(50)
    context = Context(np.full(len(users), NOON), np.full(len(users), "tablet"))
    ranked = np.tile(np.arange(10), (len(users), 1))

    def clicks(seed: Any) -> list[list[int]]:
        return shop.respond(users, context, ranked, seed).clicks.tolist()

    assert clicks(1) == clicks(1) != clicks(2)
    rng = np.random.default_rng(1)
    assert clicks(rng) == clicks(1)
    assert clicks(rng) != clicks(1)


def test_clicks_and_revenue_average_to_their_probabilities(shop: Marketplace) -> None:
    count = 40_000
    context = Context(np.full(count, NOON), np.full(count, "phone"))
    ranked = np.tile([7, 8, 9], (count, 1))
    response = shop.respond(np.zeros(count, dtype=int), context, ranked, seed=2)
    assert set(np.unique(response.clicks)) == {0, 1}
    p = response.probabilities[0]
    np.testing.assert_allclose(
        response.clicks.mean(axis=0), p, atol=4 * np.sqrt(0.25 / count)
    )
    assert not response.revenue[response.clicks == 0].any()
    price = shop.world.price[[7, 8, 9]]
    fit = np.exp(-0.5 * ((np.log(price / shop.world.budget[0]) + 0.4) / 0.8) ** 2)
    bought = p * (0.05 + 0.25 * fit)
    np.testing.assert_allclose(
        (response.revenue > 0).mean(axis=0), bought, atol=4 * np.sqrt(0.25 / count)
    )
    for place in range(3):
        paid = response.revenue[response.revenue[:, place] > 0, place]
        assert len(paid) > 0
        assert set(paid) == {float(price[place])}


def test_better_rankings_earn_more_clicks(shop: Marketplace) -> None:
    users = np.arange(USERS)
    context = Context(np.full(USERS, NOON), np.full(USERS, "phone"))
    ranked = np.tile(np.arange(20), (USERS, 1))
    flat = Marketplace(
        USERS, ITEMS, seed=5, weights=dataclasses.replace(Weights(), examination=0.0)
    )
    order = np.argsort(-flat.respond(users, context, ranked, 0).probabilities, axis=1)
    best = shop.respond(users, context, order, 0).probabilities.sum()
    worst = shop.respond(users, context, order[:, ::-1], 0).probabilities.sum()
    assert best > 1.1 * worst


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"user": USERS}, f"`user` must hold ids from 0 to {USERS - 1}. Received: 40"),
        ({"user": -1}, "`user` must hold ids from 0"),
        ({"user": 1.5}, "`user` must hold integers. Received: values of type float"),
        ({"user": [[1]]}, "`user` must hold one user, or one a request"),
        ({"user": [1, 2]}, "at least one item for every user. Received: shape (2,)"),
        ({"ranked_items": []}, "`ranked_items` must hold at least one item"),
        ({"ranked_items": [1, ITEMS]}, "`ranked_items` must hold ids from 0 to 79"),
        ({"ranked_items": [1, 1]}, "`ranked_items` must hold every item once a list"),
        ({"device": "fone"}, "Received: 'fone'. Did you mean `phone`?"),
        ({"device": ["phone"]}, "`device` must hold shape (), that of `user`"),
        ({"timestamp": [NOON]}, "`timestamp` must hold shape ()"),
        ({"timestamp": "noon"}, "`timestamp` must hold integers"),
        ({"history": [1]}, "`history` must hold `history` and `history_times`"),
        (
            {"history": [1], "history_times": [1, 2]},
            "`history` must hold two equal lists",
        ),
        (
            {"history": [-2], "history_times": [1]},
            "`history` must hold ids from -1 to 79. Received: -2",
        ),
        (
            {"history": [1], "history_times": [NOON + 1]},
            "`history_times` must hold clicks before it",
        ),
    ],
)
def test_a_bad_request_is_refused_in_words(
    shop: Marketplace, change: dict[str, Any], message: str
) -> None:
    given: dict[str, Any] = {"user": 1, "ranked_items": [1, 2]}
    context: dict[str, Any] = {"timestamp": NOON, "device": "phone"}
    for name, value in change.items():
        (given if name in given else context)[name] = value
    with pytest.raises(DataError, match=re.escape(message)):
        shop.respond(given["user"], Context(**context), given["ranked_items"], seed=0)
