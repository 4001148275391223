"""Parameters of every click model of a history."""

from typing import Literal

from clickwright.models.ctr.embedding_params import EmbeddingParams


class HistoryParams(EmbeddingParams):
    """Embeddings of a target and its history."""

    without: tuple[Literal["history", "vectors"], ...] = ()
    """What the model does without, to see what it is worth: `history` takes every
    history for an empty one, `vectors` leaves out all vectors of item tables."""
