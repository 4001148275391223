"""One line of the journal of spans."""

from typing import Annotated, Literal

from pydantic import Field

from clickwright.schemas.strict_yaml import StrictModel

Number = Annotated[int, Field(ge=0)]
Part = Literal["newest", "whole", "rest", "sample"]
State = Literal["started", "failed", "not_blessed", "blessed"]


class SpanRead(StrictModel):
    """A span whose rows a run has read.

    Its `fingerprint` is that of the files' content. `stat` is that of their names,
    sizes and times: where it is the same, the content need not be read again.
    """

    span: Number
    part: Part
    """`newest` is divided into splits; `whole` is for training; `rest` is what the
    parent was tested on; `sample` gave rows that the parent has seen already."""
    fingerprint: str
    stat: str


class SpanRecord(StrictModel):
    """A run on a span, at its start or at its end."""

    span: Number
    """The newest that it read."""
    state: State
    run_id: str
    parent: Number | None = None
    """Span of the model that it started from; None for a cold start."""
    rows: Annotated[int, Field(ge=0)]
    """Of the training split."""
    read: tuple[SpanRead, ...]
