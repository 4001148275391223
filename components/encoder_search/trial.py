"""One training of the search."""

import dataclasses
from typing import TypeAlias

Assignment: TypeAlias = tuple[str, ...]
"""Name of the encoder of each searched field, in the order of the fields."""


@dataclasses.dataclass(frozen=True)
class Trial:
    """What is trained.

    Attributes:
        encoders: of each searched field.
        seed: of initial weights, dropout and the order of the rows.
        epochs: most epochs.
    """

    encoders: Assignment
    seed: int
    epochs: int


@dataclasses.dataclass(frozen=True)
class TrialResult:
    """What came of it.

    Attributes:
        logloss: on the validation split, of the epoch that the training keeps;
            infinite where it diverged.
        epochs: epochs trained.
    """

    logloss: float
    epochs: int
