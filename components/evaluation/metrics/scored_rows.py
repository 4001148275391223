"""The rows of a slice with their scores: what every metric is computed from."""

import dataclasses
from typing import Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class ScoredRows:
    """Labels and scores, sorted by group, then by score.

    Attributes:
        label: [N] 0.0 or 1.0.
        score: [N] predicted probabilities.
        weight: [N] weights above 0; 1.0 where the data have none.
        group: [N] int64 group keys; all 0 where there are none.
        count: number of rows, those of weight 0 included.
    """

    label: Floats
    score: Floats
    weight: Floats
    group: npt.NDArray[np.int64]
    count: int

    @classmethod
    def sort(
        cls,
        label: npt.ArrayLike,
        score: npt.ArrayLike,
        weight: npt.ArrayLike | None = None,
        group: npt.ArrayLike | None = None,
    ) -> Self:
        """Sorts rows in any order; leaves out those of weight 0."""
        labels = np.asarray(label, np.float64)
        scores = np.asarray(score, np.float64)
        weights = np.ones_like(labels) if weight is None else np.asarray(weight)
        groups = np.zeros(labels.shape, np.int64) if group is None else np.array(group)
        by_score = [scores] if group is None else [scores, groups]
        order = np.lexsort(by_score)
        order = order[weights[order] > 0]
        return cls(
            labels[order],
            scores[order],
            weights[order].astype(np.float64),
            groups[order],
            len(labels),
        )

    @property
    def usable(self) -> bool:
        """Whether there are rows and all scores are numbers."""
        return len(self.score) > 0 and not bool(np.isnan(self.score).any())

    def starts(self, *columns: npt.NDArray) -> npt.NDArray[np.int64]:
        """Indices [B] at which a run of rows with equal values in `columns` begins."""
        changed = np.zeros(len(self.score), bool)
        changed[:1] = True
        for column in columns:
            changed[1:] |= column[1:] != column[:-1]
        return np.flatnonzero(changed)
