"""One model on one data set, with published settings."""

from typing import Annotated, Any

from pydantic import Field

from clickwright.models.published.figures import Figures, Share
from clickwright.schemas.strict_yaml import StrictModel


class PublishedRun(StrictModel):
    """Settings of one training, the figures published for them, and what we require."""

    model: str
    """A registered model."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Parameters that differ from the model's defaults."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Training parameters that differ from the defaults."""
    min_count: Annotated[int, Field(ge=1)] = 1
    """Values that occur less often in the training split share the unknown row."""
    published: Figures | None = None
    """None where nothing is published for this data set."""
    required_auc: Share | None = None
    """Least mean test AUC of ours; None where none is required."""
    at_least: str | None = None
    """Key of the run whose mean test AUC ours must reach."""
    note: str = ""
    """What a reader of the figures must know."""
