"""Wider vectors made narrower."""

from typing import Literal

import numpy as np
from sklearn.decomposition import PCA

from clickwright.schemas.errors import DataError

_FLAT = 1e-10
"""Share of the first component's variance below which a component is rounding."""


class Reducer:
    """PCA to a width, fitted on the vectors of known entities.

    `pca` turns `x` into `W (x - mean)`, the rows of `W` the directions of most
    variance; `whiten` divides each value by its deviation besides. A missing vector,
    zeros, thus stays in the middle of the others.

    Args:
        kind: `pca` or `whiten`.
        width: values to keep.
        name: the feature, for messages.
    """

    def __init__(self, kind: Literal["pca", "whiten"], width: int, name: str) -> None:
        self._kind = kind
        self._width = width
        self._where = f"vectors of the feature `{name}`"
        # Through the covariance: exact, the same each time, and no copy of the rows.
        self._pca = PCA(width, whiten=kind == "whiten", svd_solver="covariance_eigh")

    def fit(self, vectors: np.ndarray) -> None:
        """Fits it.

        Args:
            vectors: float32 `[n, source width]`, mapped from a file or not.

        Raises:
            DataError: there are fewer vectors than values to keep, or they vary in
                fewer directions than are to be whitened.
        """
        count, source = vectors.shape
        if source < self._width:
            raise DataError(
                f"`reduce: {self._kind}` makes vectors narrower: they must have "
                f"{self._width} values or more. Received: {source}.",
                where=self._where,
                fix=f"set `width` to {source} or less",
            )
        if count <= self._width:
            raise DataError(
                f"`reduce: {self._kind}` needs more vectors of known entities than "
                f"values to keep, {self._width}. Received: {count}.",
                where=self._where,
                fix="set a smaller `width`, or give the vectors of more entities",
            )
        self._pca.fit(vectors)
        variances = self._pca.explained_variance_
        varied = int(np.count_nonzero(variances > _FLAT * max(variances[0], 0.0)))
        if self._kind == "whiten" and varied < self._width:
            raise DataError(
                f"The vectors vary in {varied} directions: `reduce: whiten` would blow "
                f"rounding up in the others of {self._width}.",
                where=self._where,
                fix=f"set `width` to {varied} or less, or choose `reduce: pca`",
            )

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """The vectors, float32 `[n, width]`."""
        reduced: np.ndarray = self._pca.transform(vectors)
        return reduced.astype(np.float32, copy=False)
