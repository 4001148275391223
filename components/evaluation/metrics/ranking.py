"""AUC by ranks, within groups."""

import dataclasses

import numpy as np

from clickwright.components.evaluation.metrics.scored_rows import Floats, ScoredRows


@dataclasses.dataclass(frozen=True)
class GroupAUCs:
    """AUC of each group, in the order of the groups.

    Attributes:
        auc: [G] chance that a positive row scores above a negative one, ties counting
            half; NaN for groups that hold one kind of label only.
        weight: [G] sum of the weights of all rows.
    """

    auc: Floats
    weight: Floats


def group_aucs(rows: ScoredRows) -> GroupAUCs:
    """Computes AUC by the rank formula, with average ranks for ties.

    Within a group, with rows of one score as a block b of positive weight p_b and
    negative weight n_b: AUC = sum_b p_b * (n_{below b} + n_b / 2) / (P * N).
    """
    if not len(rows.score):
        return GroupAUCs(np.empty(0), np.empty(0))
    blocks = rows.starts(rows.group, rows.score)
    positive = np.add.reduceat(rows.weight * rows.label, blocks)
    negative = np.add.reduceat(rows.weight * (1.0 - rows.label), blocks)
    first = np.flatnonzero(np.isin(blocks, rows.starts(rows.group)))

    below = np.cumsum(negative) - negative
    sizes = np.diff(np.append(first, len(blocks)))
    below -= np.repeat(below[first], sizes)  # from the start of the own group
    ordered = np.add.reduceat(positive * (below + 0.5 * negative), first)

    positives = np.add.reduceat(positive, first)
    negatives = np.add.reduceat(negative, first)
    pairs = positives * negatives
    auc = np.full(pairs.shape, np.nan)
    np.divide(ordered, pairs, out=auc, where=pairs > 0)
    return GroupAUCs(auc, positives + negatives)
