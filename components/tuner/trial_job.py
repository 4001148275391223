"""What a trial is to train."""

from typing import Any

from clickwright.schemas.strict_yaml import StrictModel


class TrialJob(StrictModel):
    """One trial."""

    trial: str
    """Its number."""
    values: dict[str, Any]
    """The values to try, by name: `model.dropout`."""
    epochs: int
    """Most epochs."""
    title: str = ""
    """Stands before the epoch in progress messages."""
    checkpoint: str | None = None
    """Folder of its state, from which it goes on if there is one; None for none."""
