"""What the true click probabilities of the simulated shop score without their parts."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from clickwright.schemas.marketplace.bayes import probability_metrics, rows_of_splits
from clickwright.schemas.marketplace.simulator import Marketplace
from clickwright.schemas.marketplace.source import MarketplaceOptions
from clickwright.schemas.marketplace.truth import (
    Requests,
    Weights,
    attraction,
    click_probability,
    examination,
)
from clickwright.schemas.marketplace.world import Floats, World

_NOTHING = Weights(**dict.fromkeys((f.name for f in dataclasses.fields(Weights)), 0.0))


def truth_without(options: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Metrics of the truth on the test split, whole and without a part of it.

    The log is the one that models learn from, simulated again; only what is scored
    changes. It is scored against the true probabilities, as models are:

    * `no history`: without what the history adds to the log odds;
    * `no vectors`: without looks and tastes, and past clicks count as alike by their
      categories alone;
    * `no vectors, known items`: the same, and what clicks alone may teach of an item
      that is seen often: what its looks are worth to everybody, and to each segment
      on average.

    A model without vectors learns some of the difference between the last two.

    Args:
        options: of the data set `marketplace`.

    Returns:
        `probability_metrics` by ablation; `full` is the truth itself.
    """
    said = MarketplaceOptions.model_validate(options)
    shop = Marketplace(said.users, said.items, said.seed)
    truths = _truths(shop.world, shop.weights)
    parts: dict[str, list[Any]] = {n: [] for n in ("user", "time", *truths)}
    for chunk in shop.log(said.impressions, said.days):
        page = chunk.clicks.shape[1]
        parts["user"].append(np.repeat(chunk.requests.user, page))
        parts["time"].append(np.repeat(chunk.requests.timestamp, page))
        for name, truth in truths.items():
            parts[name].append(truth(chunk.requests).reshape(-1))
    columns = {n: np.concatenate(x)[: said.impressions] for n, x in parts.items()}
    test = rows_of_splits(columns["time"])["test"]
    truth, user = columns["full"][test], columns["user"][test]
    return {n: probability_metrics(truth, columns[n][test], user) for n in truths}


def _truths(world: World, weights: Weights) -> dict[str, Callable[[Requests], Floats]]:
    blind = dataclasses.replace(world, vector=np.zeros_like(world.vector))
    segments = np.stack(
        [
            world.taste[world.segment == segment].mean(axis=0)
            for segment in range(world.segment.max() + 1)
        ]
    )
    steady = dataclasses.replace(
        world,
        taste=segments[world.segment],
        later_taste=np.zeros_like(world.later_taste),
        turn=np.zeros_like(world.turn),
    )
    looks = dataclasses.replace(_NOTHING, appeal=weights.appeal, taste=weights.taste)

    def known_items(requests: Requests) -> Floats:
        odds = attraction(blind, weights, requests) + attraction(
            steady, looks, requests
        )
        return examination(weights, requests) / (1.0 + np.exp(-odds))

    no_history = dataclasses.replace(weights, history=0.0)
    return {
        "full": lambda x: click_probability(world, weights, x),
        "no history": lambda x: click_probability(world, no_history, x),
        "no vectors": lambda x: click_probability(blind, weights, x),
        "no vectors, known items": known_items,
    }
