"""Parameters of every click model of a history."""

from typing import Literal

from clickwright.models.ctr.tower_params import TowerParams


class SequenceParams(TowerParams):
    """Embeddings of a target and its history, and a tower."""

    without: tuple[Literal["history", "vectors"], ...] = ()
    """What the model does without, to see what it is worth: `history` takes every
    history for an empty one, `vectors` leaves out all vectors of item tables."""
