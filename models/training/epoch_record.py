"""What is known after an epoch."""

import math

import pydantic


class EpochRecord(pydantic.BaseModel):
    """One line of `training_log.jsonl`. Fields that are not known are null."""

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    epoch: int
    """Number of the epoch; the first is 1."""
    step: int
    """Steps since the start of training."""
    seconds: float
    """Seconds spent since the start of training; pauses after a kill do not count."""
    loss: float | None
    """Mean training loss over the epoch, without penalties, dropout on."""
    valid_auc: float | None
    """Exact AUC on the validation split."""
    valid_logloss: float | None
    """Log loss on the validation split."""
    learning_rate: float | None
    """Learning rate during the epoch."""
    examples_per_second: float | None
    """Training rows a second, validation not included."""
    valid: dict[str, float] | None = None
    """Ranking metrics on the validation split, of a retrieval model."""

    @property
    def metrics(self) -> dict[str, float]:
        """What the validation split said, by name; NaN where it is not known."""
        if self.valid is not None:
            return {f"valid_{name}": value for name, value in self.valid.items()}
        known = {"valid_auc": self.valid_auc, "valid_logloss": self.valid_logloss}
        return {n: math.nan if v is None else v for n, v in known.items()}
