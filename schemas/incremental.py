"""How a model is trained on from span to span, in place of anew each time."""

from typing import Annotated, Literal

from pydantic import Field

from clickwright.schemas.strict_yaml import StrictModel


class Distillation(StrictModel):
    """How much a model that is trained on keeps to what its parent answers."""

    weight: Annotated[float, Field(ge=0.0)] = 0.0
    """Weight of the loss against the parent's answers; 0 leaves it out."""
    temperature: Annotated[float, Field(gt=0.0)] = 1.0
    """By which both logits are divided."""


class Incremental(StrictModel):
    """Spans of data, and how a model goes from one to the next.

    The log lies in `span-1/`, `span-2/` and so on, each of them later than the one
    before.

    References:
        Wang et al., "A Practical Incremental Method to Train Deep CTR Models",
        arXiv:2009.02147 (2020).
    """

    window: Annotated[int, Field(ge=1)] = 7
    """Spans that a cold start reads, the newest included."""
    warm_start: bool = True
    """Whether training goes on from the latest blessed model, and reads only what it
    has not seen; else each run is a cold start."""
    new_ids: Literal["default", "fresh"] = "default"
    """What ids that the parent does not know start from: the row of unknown values,
    or fresh values of the initialiser."""
    reservoir: Annotated[int, Field(ge=0)] = 0
    """Rows of earlier spans, within the window, mixed into a warm start: a uniform
    sample."""
    epochs: Annotated[int, Field(ge=1)] | None = 1
    """Most epochs of a warm start, one pass unless said otherwise; those of `training`
    when null."""
    learning_rate: Annotated[float, Field(gt=0.0)] | None = None
    """Learning rate of a warm start; by default a tenth of that of `training`: at the
    full rate the few steps of a span blur what the parent had settled on."""
    distillation: Distillation = Distillation()
