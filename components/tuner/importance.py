"""How much each parameter has to do with how good a trial was."""

import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestRegressor

from clickwright.components.tuner.searched import Searched
from clickwright.components.tuner.space import is_number
from clickwright.components.tuner.trial_outcome import TrialOutcome
from clickwright.models.value_range import ValueRange

_LEAST_TRIALS = 5
"""Scored trials below which nothing is said."""
_TREES = 200


def importance(
    space: Sequence[Searched], trials: Sequence[TrialOutcome]
) -> dict[str, float]:
    """Share of each parameter in the differences between scores.

    A random forest is fitted to the scores; a parameter counts by how much its splits
    reduce their variance. The epochs that a trial had are fitted too, and left out of
    the shares: trials that ended early are worse for that alone.

    Args:
        space: the parameters.
        trials: all trials; those without a score say nothing.

    Returns:
        By name, the largest first, summing to 1; empty where fewer than five trials
        have a score, or all have the same.

    References:
        Breiman, "Random Forests", Machine Learning 45, 2001, section 10.
    """
    scored = [t for t in trials if t.score is not None]
    scores = np.array([t.score for t in scored], np.float64)
    if len(scored) < _LEAST_TRIALS or np.ptp(scores) == 0.0:
        return {}
    columns = [(s.name, column) for s in space for column in _columns(s, scored)]
    columns.append(("", np.array([t.epochs for t in scored], np.float64)))
    forest = RandomForestRegressor(_TREES, random_state=0)
    forest.fit(np.stack([column for _, column in columns], axis=1), scores)
    shares = {s.name: 0.0 for s in space}
    for (name, _), share in zip(columns, forest.feature_importances_, strict=True):
        if name:
            shares[name] += float(share)
    total = sum(shares.values())
    if total == 0.0:
        return {}
    ranked = sorted(shares.items(), key=lambda item: -item[1])
    return {name: share / total for name, share in ranked}


def _columns(
    searched: Searched, trials: Sequence[TrialOutcome]
) -> list[npt.NDArray[np.float64]]:
    """One column of numbers, or one a value where values have no order."""
    values = [trial.values[searched.name] for trial in trials]
    dimension = searched.dimension
    if isinstance(dimension, ValueRange):
        column = np.array(values, np.float64)
        return [np.log(column) if dimension.log else column]
    if all(map(is_number, dimension)):
        return [np.array([dimension.index(value) for value in values], np.float64)]
    texts = [json.dumps(value) for value in values]
    return [
        np.array([text == json.dumps(option) for text in texts], np.float64)
        for option in dimension
    ]
