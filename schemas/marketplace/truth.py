"""The true click probability of the simulated shop.

User `u` sees item `i` at position `k` (0 at the top) at time `t`, on a device. The
click is an independent Bernoulli draw with

    probability = examination(k) * sigmoid(attraction)
    examination(k) = (1 + k) ** -w.examination

`w` are the `Weights`; everything else stands in `World`. The attraction is the sum of

    w.bias
    w.category * category_effect[category]
    w.brand * brand_effect[brand]
    w.segment_category * segment_category[segment, category]     pair interaction
    w.segment_brand * segment_brand[segment, brand]              pair interaction
    w.device_hour * device_hour[device, hour // 4]               pair interaction
    w.price * (2 * fit(log(price / budget)) - 1)                 non-monotone
        fit(r) = exp(-((r - PRICE_PEAK) / PRICE_WIDTH) ** 2 / 2)
    w.appeal * appeal                                            in the vector only
        appeal = vector . appeal_axis
    w.taste * taste(t) . style / sqrt(STYLE_WIDTH)               in the vector only
        style = style_axes' vector
        taste(t) = cos(turn * d) * taste + sin(turn * d) * later_taste,
        d = days since the log's start: tastes drift
    w.history * interest                                         attention
        interest = sum_j a_j s_j / (1 + sum_j a_j), over the clicked items j
        s_j = 1/2 [category of j = category of i] + 1/2 cosine(style of j, style of i)
        a_j = exp(SHARPNESS * s_j - age of the click / MEMORY)

So an item like those clicked lately attracts most; old clicks and unlike items hardly
count; an empty history gives 0.

A click ends in a purchase with probability `BUY_FLOOR + BUY_FIT * fit`, and the
purchase's revenue is the item's price.
"""

import dataclasses

import numpy as np

from clickwright.schemas.marketplace.world import STYLE_WIDTH, Floats, Ints, World

START = 1_704_067_200
"""The log starts on Monday 2024-01-01 at 00:00 UTC."""
DAY = 86_400
PRICE_PEAK = -0.4
"""Most attractive at exp(-0.4), two thirds, of the budget."""
PRICE_WIDTH = 0.8
SHARPNESS = 3.0
MEMORY = 5 * DAY
BUY_FLOOR = 0.05
BUY_FIT = 0.25
NO_ITEM = -1
"""Pads histories."""

_BLOCK = 512  # requests whose attention weights fit the processor's cache


@dataclasses.dataclass(frozen=True)
class Weights:
    """How much each effect counts; 0 takes an effect out."""

    bias: float = -1.3
    category: float = 0.7
    brand: float = 0.5
    segment_category: float = 0.75
    segment_brand: float = 0.35
    device_hour: float = 0.5
    price: float = 0.7
    appeal: float = 0.25
    taste: float = 0.2
    history: float = 2.5
    examination: float = 0.7


@dataclasses.dataclass(frozen=True)
class Requests:
    """Pages asked for: who, when, on what, and the items shown.

    Attributes:
        user: `[requests]`.
        timestamp: seconds since 1970, `[requests]`.
        device: code of the device, `[requests]`.
        items: the page, from the top, `[requests, positions]`.
        history: items clicked before, oldest first, `[requests, length]`, padded
            with `NO_ITEM`.
        history_times: when they were clicked, `[requests, length]`.
    """

    user: Ints
    timestamp: Ints
    device: Ints
    items: Ints
    history: Ints
    history_times: Ints


def click_probability(
    world: World, weights: Weights, requests: Requests
) -> Floats:  # [requests, positions]
    """The probability that each item shown is clicked; see the module."""
    odds = attraction(world, weights, requests)
    return examination(weights, requests) / (1.0 + np.exp(-odds))


def examination(weights: Weights, requests: Requests) -> Floats:
    """The probability that each place of a page is looked at, `[positions]`."""
    position = np.arange(requests.items.shape[1])
    shares: Floats = np.power(1.0 + position, -weights.examination)
    return shares


def attraction(world: World, weights: Weights, requests: Requests) -> Floats:
    """The log odds of a click once examined, `[requests, positions]`."""
    items = requests.items  # [R, N]
    segment = world.segment[requests.user][:, None]  # [R, 1]
    category, brand = world.category[items], world.brand[items]  # [R, N]
    band = requests.timestamp % DAY // (DAY // world.device_hour.shape[1])  # [R]
    total = (
        weights.bias
        + weights.category * world.category_effect[category]
        + weights.brand * world.brand_effect[brand]
        + weights.segment_category * world.segment_category[segment, category]
        + weights.segment_brand * world.segment_brand[segment, brand]
        + weights.device_hour * world.device_hour[requests.device, band][:, None]
        + weights.price * (2.0 * price_fit(world, requests) - 1.0)
        + weights.appeal * world.appeal[items]
        + weights.history * interest(world, requests)
    )
    taste = taste_at(world, requests.user, requests.timestamp)  # [R, S]
    match = np.einsum("rs,rns->rn", taste, world.style[items])
    return total + weights.taste * match / np.sqrt(STYLE_WIDTH)


def purchase_probability(world: World, requests: Requests) -> Floats:
    """The probability that a click ends in a purchase, `[requests, positions]`."""
    return BUY_FLOOR + BUY_FIT * price_fit(world, requests)


def price_fit(world: World, requests: Requests) -> Floats:
    """How well the price suits the budget, in (0, 1], `[requests, positions]`."""
    ratio = world.price[requests.items] / world.budget[requests.user][:, None]
    return np.exp(-0.5 * ((np.log(ratio) - PRICE_PEAK) / PRICE_WIDTH) ** 2)


def taste_at(world: World, user: Ints, timestamp: Ints) -> Floats:
    """The users' tastes at a time, `[requests, STYLE_WIDTH]`."""
    angle = (world.turn[user] * (timestamp - START) / DAY)[:, None]
    return np.cos(angle) * world.taste[user] + np.sin(angle) * world.later_taste[user]


def interest(world: World, requests: Requests) -> Floats:
    """What the history says for each item, `[requests, positions]`."""
    keys = world.likeness_keys
    found = np.zeros(requests.items.shape)
    for start in range(0, len(requests.user), _BLOCK):
        rows = slice(start, start + _BLOCK)
        history = requests.history[rows]  # [R, L]
        age = requests.timestamp[rows, None] - requests.history_times[rows]  # [R, L]
        kept = history != NO_ITEM
        decay = np.where(kept, -age / MEMORY, -np.inf).astype(np.float32)
        likeness = keys[requests.items[rows]] @ keys[history].transpose(0, 2, 1)
        attention = np.exp(np.float32(SHARPNESS) * likeness + decay[:, None, :])
        found[rows] = np.einsum("rnl,rnl->rn", attention, likeness) / (
            1.0 + attention.sum(axis=2)
        )
    return found
