"""What came of a trial."""

from typing import Any, Literal

from clickwright.schemas.strict_yaml import StrictModel


class TrialOutcome(StrictModel):
    """One trial, ended."""

    trial: str
    """Its number."""
    values: dict[str, Any]
    """What was tried, by name: `model.dropout`."""
    state: Literal["complete", "pruned", "diverged", "failed"]
    """How it ended: by itself, early because it was behind, with numbers that are not
    finite, or with an error."""
    score: float | None = None
    """The objective at the epoch that the training keeps; None where there is none."""
    epochs: int = 0
    """Epochs trained, those of the trial that it goes on from included."""
    seconds: float = 0.0
    """Time it took."""
    curve: tuple[float, ...] = ()
    """The score as it was after each validation."""
    message: str = ""
    """What went wrong, if anything did."""
