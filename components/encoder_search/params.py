"""Parameters of the search for encoders."""

from typing import Annotated, Self

import pydantic
from pydantic import Field

from clickwright.schemas.numeric_encoding import ENCODERS, EncoderName
from clickwright.schemas.strict_yaml import StrictModel

USUAL_EPOCHS = 10
"""Epochs after which early stopping has mostly ended a training."""


class SearchParams(StrictModel):
    """How encoders are compared for the fields with `encoder: auto`."""

    encoders: Annotated[tuple[EncoderName, ...], Field(min_length=1)] = ENCODERS
    """Encoders to compare. What the rules say for each field competes with them."""
    seeds: Annotated[int, Field(ge=2, le=100)] = 3
    """Trainings of each finalist. All candidates are trained with the same seeds."""
    finalists: Annotated[int, Field(ge=1, le=8)] = 3
    """Candidates that are trained in full, and that mixtures are made of."""
    epochs: Annotated[int, Field(ge=1)] = 6
    """Most epochs of a trial; those that weed out candidates first have half."""
    max_rows: Annotated[int, Field(ge=1)] = 200_000
    """Rows of a trial, from the start of each split."""
    budget: Annotated[float, Field(gt=0.0)] = 20.0
    """Most that the search may cost, in trainings: their rows times 10 epochs, or
    `epochs` of the training where that is less, times its `seeds`. Where it does not
    last, trials take fewer rows, then fields are not mixed."""

    @pydantic.model_validator(mode="after")
    def _different(self) -> Self:
        if len(set(self.encoders)) < len(self.encoders):
            raise ValueError("`encoders` must differ from each other")
        return self
