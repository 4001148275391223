"""Texts into vectors, learned from the texts themselves."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from clickwright.components.item_table.vector_encoder import VectorEncoder
from clickwright.schemas.errors import DataError

_MOST_TERMS = 2**18
_SEED = 0


class LsaEncoder(VectorEncoder):
    """Latent semantic analysis: TF-IDF of the words, then a truncated SVD.

    Term counts are damped, `1 + ln(count)`, and rows of TF-IDF have length 1. A text
    without any word of two letters or more has a vector of zeros. The same texts give
    the same vectors.

    Args:
        width: values of a vector.
        name: the feature, for messages.

    References:
        Deerwester et al., "Indexing by Latent Semantic Analysis", JASIS 1990.
    """

    batch_size = 4096

    def __init__(self, width: int, name: str) -> None:
        self._width = width
        self._where = f"texts of the feature `{name}`"
        self._words = TfidfVectorizer(
            sublinear_tf=True, max_features=_MOST_TERMS, dtype=np.float32
        )
        self._svd = TruncatedSVD(width, random_state=_SEED)

    def fit(self, contents: Sequence[str]) -> Self:
        """Learns the words and their directions."""
        try:
            rows = self._words.fit_transform(contents)
            terms = rows.shape[1]
        except ValueError:  # no text holds a word
            terms = 0
        if min(terms, len(contents)) <= self._width:
            raise DataError(
                f"LSA to {self._width} values needs more texts and more different words "
                f"than that. Received: {len(contents):,} texts, {terms:,} words.",
                where=self._where,
                fix="set a smaller `width`, or give more texts",
            )
        self._svd.fit(rows)
        return self

    def encode(self, contents: Sequence[str]) -> np.ndarray:
        """Returns float32 `[contents, width]`."""
        vectors: np.ndarray = self._svd.transform(self._words.transform(contents))
        return vectors.astype(np.float32, copy=False)
