"""Rows in bins of neighbouring scores."""

import dataclasses

import numpy as np

from clickwright.components.evaluation.metrics.scored_rows import Floats, ScoredRows

NUM_BINS = 15
"""As many as in Guo et al. (2017), whose bins have equal width, though."""


@dataclasses.dataclass(frozen=True)
class CalibrationBins:
    """Bins of equal mass, in the order of the scores; B of them at most.

    Click probabilities crowd near zero. Bins of equal width would put nearly all rows
    into the first, and hide what is wrong with the high scores.

    Attributes:
        lower: [B] lowest score in the bin.
        upper: [B] highest score in the bin.
        weight: [B] sum of the rows' weights.
        mean_prediction: [B] weighted mean of the scores.
        mean_label: [B] weighted mean of the labels.
    """

    lower: Floats
    upper: Floats
    weight: Floats
    mean_prediction: Floats
    mean_label: Floats


def calibration_bins(rows: ScoredRows, num_bins: int = NUM_BINS) -> CalibrationBins:
    """Cuts rows of one group, sorted by score, into `num_bins` of about equal weight.

    Rows of one score stay together, in the bin where their middle lies; so the result
    does not hang on the order of the rows, and there may be fewer bins.
    """
    if not rows.usable:
        return CalibrationBins(*(np.empty(0) for _ in range(5)))
    blocks = rows.starts(rows.score)
    mass = np.add.reduceat(rows.weight, blocks)
    middle = np.cumsum(mass) - 0.5 * mass
    bins = np.minimum((middle / mass.sum() * num_bins).astype(int), num_bins - 1)
    first = blocks[np.flatnonzero(np.diff(bins, prepend=-1))]
    last = np.append(first[1:], len(rows.score)) - 1
    weight = np.add.reduceat(rows.weight, first)
    return CalibrationBins(
        rows.score[first],
        rows.score[last],
        weight,
        np.add.reduceat(rows.weight * rows.score, first) / weight,
        np.add.reduceat(rows.weight * rows.label, first) / weight,
    )
