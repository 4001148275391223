"""How parameters are searched for."""

from typing import Annotated, Literal

from pydantic import Field

from clickwright.components.encoder_search.params import USUAL_EPOCHS
from clickwright.models.value_range import Dimension
from clickwright.schemas.strict_yaml import StrictModel

Section = Literal["model", "training"]


class TunerParams(StrictModel):
    """How the parameters of model and training are searched for."""

    trials: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Trainings to try. The first has the values of the configuration as it stands."""
    algorithm: Literal["random", "bayesian", "hyperband"] = "bayesian"
    """How values are chosen: at random; by a Gaussian process over the trials so far,
    after some random ones; or at random, with many short trainings of which the best
    go on."""
    parallel: Annotated[int, Field(ge=1, le=64)] = 1
    """Trials at the same time, each in a process of its own that shares the machine's
    cores and holds the rows in memory."""
    prune: bool = True
    """Whether a trial ends early when its best value so far is behind the median of
    the others' means up to the same epoch. Hyperband has rules of its own."""
    objective: str | None = None
    """What is compared, on the validation split: `auc` or `logloss`, for retrieval
    `ndcg@10` and its like; what the training monitors when absent."""
    epochs: Annotated[int, Field(ge=1)] = USUAL_EPOCHS
    """Most epochs of a trial, and no more than the training has."""
    max_rows: Annotated[int, Field(ge=1)] | None = None
    """Only this many rows from the start of the training split; all of those that the
    training takes when absent."""
    space: dict[Section, dict[str, Dimension | None]] = Field(default_factory=dict)
    """What to try in place of what the model declares, by parameter: `[8, 16, 32]`, or
    `{min: 1e-4, max: 1e-2, log: true}`; null leaves the parameter as it is."""
    only: tuple[str, ...] = ()
    """The only parameters to search, such as `model.dropout`; all when empty."""
