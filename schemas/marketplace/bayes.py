"""How well the truth itself scores: what no model beats but by luck."""

import math
import pathlib

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from scipy.special import xlog1py, xlogy

from clickwright.schemas.source import PreparedData
from clickwright.schemas.spec import TimeSplit, load_spec
from clickwright.schemas.time_cuts import time_cuts


def bayes_metrics(prepared: PreparedData) -> dict[str, dict[str, float]]:
    """Metrics of the true click probabilities on the validation and test rows.

    The rows are those that ExampleGen puts there; see `time_cuts`.

    Args:
        prepared: what `MarketplaceSource.prepare` returned.

    Returns:
        `valid` and `test`, each with the keys of `probability_metrics`.
    """
    log = pq.read_table(
        prepared.directory / "all",
        columns=["timestamp", "user", "click", "true_probability"],
    )
    time, user, click, probability = (column.to_numpy() for column in log.columns)
    return {
        split: probability_metrics(click[rows], probability[rows], user[rows])
        for split, rows in rows_of_splits(time).items()
    }


def rows_of_splits(
    time: npt.NDArray[np.int64],
) -> dict[str, npt.NDArray[np.bool_]]:
    """Which rows of a whole log are validation and test rows.

    Args:
        time: timestamps of all rows, `[rows]`.

    Returns:
        `valid` and `test`, bool `[rows]`.
    """
    rule = load_spec(pathlib.Path(__file__).with_name("features.yaml")).split
    if not isinstance(rule, TimeSplit) or rule.valid is None or rule.test is None:
        raise TypeError(f"The split must be shares by time. Received: {rule}.")
    valid_from, test_from = time_cuts([time], rule.valid, rule.test)
    return {
        "valid": (time >= valid_from) & (time < test_from),
        "test": time >= test_from,
    }


def probability_metrics(
    click: npt.NDArray[np.int64] | npt.NDArray[np.float64],
    probability: npt.NDArray[np.float64],
    user: npt.NDArray[np.int64],
) -> dict[str, float]:
    """Metrics of predicted probabilities, all arguments `[rows]`.

    Against true click probabilities in place of clicks they are those to be expected
    over all the clicks that could have fallen, without the noise of those that did.

    Args:
        click: 0 or 1, or the true probability of a click.
        probability: the predicted one.
        user: ids.

    Returns:
        `auc`, `logloss`, `gauc` (AUC within each user, averaged by rows over the
        users with and without clicks), `ne` (log loss over the entropy of the click
        rate), `pcoc` (predicted over observed clicks) and `rows`. NaN where clicks
        and non-clicks are not both there.
    """
    rate = float(np.mean(click))
    logloss = -float(
        np.mean(xlogy(click, probability) + xlog1py(1 - click, -probability))
    )
    entropy = -sum(p * math.log(p) for p in (rate, 1 - rate) if p > 0)
    ((auc,), _) = _auc_by_group(click, probability, np.zeros_like(user))
    aucs, rows = _auc_by_group(click, probability, user)
    mixed = ~np.isnan(aucs)
    return {
        "auc": float(auc),
        "logloss": logloss,
        "gauc": float(np.average(aucs[mixed], weights=rows[mixed]))
        if mixed.any()
        else math.nan,
        "ne": logloss / entropy if entropy else math.nan,
        "pcoc": float(np.mean(probability)) / rate if rate else math.nan,
        "rows": len(click),
    }


def _auc_by_group(
    label: npt.NDArray[np.int64] | npt.NDArray[np.float64],
    score: npt.NDArray[np.float64],
    group: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Exact AUC and rows of each group; NaN where a group holds one class only."""
    order = np.lexsort((score, group))
    label, score, group = label[order], score[order], group[order]
    _, first, number, rows = np.unique(
        group, return_index=True, return_inverse=True, return_counts=True
    )
    # Rows of equal score in a group share the mean of their places.
    starts = np.r_[True, (group[1:] != group[:-1]) | (score[1:] != score[:-1])]
    place = np.flatnonzero(starts)
    size = np.diff(np.r_[place, len(score)])
    rank = np.repeat(place + (size + 1) / 2, size) - first[number]
    positives = np.bincount(number, label)
    # A row that is a click by halves makes no pair with itself.
    itself = np.bincount(number, label * (1 - label))
    wins = np.bincount(number, label * rank) - positives * (positives + 1) / 2
    wins -= itself / 2
    pairs = positives * (rows - positives) - itself
    return np.divide(wins, pairs, out=np.full(len(rows), np.nan), where=pairs > 0), rows
