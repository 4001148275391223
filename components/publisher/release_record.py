"""What became of the versions of a model: `current.json`."""

from typing import Annotated, Final, Literal

from pydantic import Field

from clickwright.schemas.strict_yaml import StrictModel

CURRENT_FILE_NAME = "current.json"

STABLE: Final = "stable"
"""The label of the version that answers users."""
CANARY: Final = "canary"
"""The label of the version on trial; the stable one's while none is."""
Label = Literal["stable", "canary"]
Action = Literal["publish", "promote", "rollback"]

LONGEST_HISTORY = 100

Version = Annotated[int, Field(ge=0)]


class Change(StrictModel):
    """One label that moved."""

    at: str
    """UTC, ISO 8601."""
    action: Action
    label: Label
    version: Version
    """Where the label moved to."""


class ReleaseRecord(StrictModel):
    """The version that answers users, and how it came to that.

    What a server loads is in its config file, and only there; this says what was
    before, so that a release can be taken back.
    """

    format: Literal[1] = 1
    model_name: str
    version: Version | None = None
    """The stable version."""
    labels: dict[str, Version] = Field(default_factory=dict)
    previous: tuple[Version, ...] = ()
    """Earlier stable versions, the latest last: where a rollback goes."""
    history: tuple[Change, ...] = ()
    """The latest changes, the last one last."""
