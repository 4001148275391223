"""What the true click probabilities of the simulated shop score without their parts."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from clickwright.schemas.marketplace.bayes import probability_metrics, rows_of_splits
from clickwright.schemas.marketplace.simulator import Marketplace
from clickwright.schemas.marketplace.source import MarketplaceOptions
from clickwright.schemas.marketplace.truth import click_probability


def truth_without(options: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Metrics of the truth on the test split, whole and without a part of it.

    The log is the one that models learn from, simulated again; only what is scored
    changes. `no history` takes out what the history adds to the log odds; `no vectors`
    gives all items one vector. A model may still learn some of it elsewhere: what an
    item's looks are worth to everybody from its id, for one.

    Args:
        options: of the data set `marketplace`.

    Returns:
        `probability_metrics` by ablation; `full` is the truth itself.
    """
    said = MarketplaceOptions.model_validate(options)
    shop = Marketplace(said.users, said.items, said.seed)
    alike = np.broadcast_to(shop.world.vector[:1], shop.world.vector.shape)
    truths = {
        "full": (shop.world, shop.weights),
        "no history": (shop.world, dataclasses.replace(shop.weights, history=0.0)),
        "no vectors": (dataclasses.replace(shop.world, vector=alike), shop.weights),
    }
    parts: dict[str, list[Any]] = {n: [] for n in ("user", "time", "click", *truths)}
    for chunk in shop.log(said.impressions, said.days):
        page = chunk.clicks.shape[1]
        parts["user"].append(np.repeat(chunk.requests.user, page))
        parts["time"].append(np.repeat(chunk.requests.timestamp, page))
        parts["click"].append(chunk.clicks.reshape(-1).astype(np.int64))
        for name, truth in truths.items():
            scores = click_probability(*truth, chunk.requests)
            parts[name].append(scores.reshape(-1))
    columns = {n: np.concatenate(x)[: said.impressions] for n, x in parts.items()}
    test = rows_of_splits(columns["time"])["test"]
    click, user = columns["click"][test], columns["user"][test]
    return {n: probability_metrics(click, columns[n][test], user) for n in truths}
