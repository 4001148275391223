"""What a container needs to know of a run's data."""

from typing import Any

from pydantic import Field

from clickwright.schemas.incremental import Incremental
from clickwright.schemas.spec import FeatureSpec
from clickwright.schemas.strict_yaml import StrictModel


class SourceFacts(StrictModel):
    """The section `data` of a run, without paths of the machine that it was read on."""

    spec: FeatureSpec
    """With the log's own rule for splits."""
    dataset: str | None = None
    """A data set that comes with the product; None for files of the user's own."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Choices of that data set."""
    format: str = "parquet"
    in_spans: bool = False
    """Whether the files lie in `span-1/`, `span-2/` ..."""
    incremental: Incremental | None = None
    """How the run goes by spans; None where it does not."""
    ledger: str = ""
    """Address of the ledger, which knows what spans earlier runs have read."""
    pipeline: str = ""
    """Name of the pipeline there."""
