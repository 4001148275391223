"""What a search has found."""

import dataclasses
from collections.abc import Mapping

from clickwright.components.encoder_search.trial import Assignment
from clickwright.schemas.discretization_plan import Search


@dataclasses.dataclass(frozen=True)
class Found:
    """The choice, and how it came about.

    Attributes:
        encoders: the encoder of each field, in the order of the fields.
        searches: the account of each field, by name.
        reasons: why each field has its encoder, in words.
        uniform: whether all fields have what one of the given candidates gives them.
        trials: trainings that the choice rests on.
        epochs: epochs that they trained.
    """

    encoders: Assignment
    searches: Mapping[str, Search]
    reasons: Mapping[str, str]
    uniform: bool
    trials: int
    epochs: int
