"""How a log of events is kept."""

from typing import Annotated, Literal

import pydantic

from clickwright.schemas.strict_yaml import StrictModel


class LogOptions(StrictModel):
    """When records reach the disk, when files rotate, and how much there may be."""

    sync: Literal["interval", "always", "never"] = "interval"
    """A killed process loses nothing with any of them. A machine that loses its power
    may lose what came after the last sync: with `always` nothing acknowledged, with
    `interval` at most `sync_seconds`, with `never` what the kernel had not written."""

    sync_seconds: Annotated[float, pydantic.Field(gt=0)] = 1.0

    segment_bytes: Annotated[int, pydantic.Field(ge=1)] = 64 * 2**20
    """A segment of this size is closed and becomes Parquet."""

    segment_seconds: Annotated[float, pydantic.Field(gt=0)] = 600.0
    """So is one whose first record is this old."""

    max_bytes: Annotated[int, pydantic.Field(ge=1)] = 64 * 2**30
    """Records that would make the folder larger are refused."""
