"""The published runs of one data set."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from clickwright.models.published.published_run import PublishedRun
from clickwright.schemas.spec import Name
from clickwright.schemas.strict_yaml import StrictModel


class PublishedBoard(StrictModel):
    """Content of one YAML file beside this module."""

    name: Name
    """Name of the data set in the benchmark; the file's name."""
    title: Annotated[str, Field(min_length=1)]
    """What the data set is, in one line."""
    dataset: str | None = None
    """The product's data set with these splits; None where settings are all we have."""
    train_notes: dict[str, str] = Field(default_factory=dict)
    """What a reader must know of files of training rows, by name of the file."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Training parameters of all runs that differ from the defaults."""
    runs: dict[str, PublishedRun] = Field(min_length=1)
    """By key: the model's name, or that and what makes the run special."""

    @model_validator(mode="after")
    def _known_runs(self) -> Self:
        for key, run in self.runs.items():
            if run.at_least is not None and run.at_least not in self.runs:
                raise ValueError(
                    f"`runs.{key}.at_least` names no run: `{run.at_least}`"
                )
        return self
