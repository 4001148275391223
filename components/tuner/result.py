"""What a search has found."""

import json
import pathlib
from typing import Any, Literal

from clickwright.components.tuner.trial_outcome import TrialOutcome
from clickwright.schemas.atomic_file import write_json
from clickwright.schemas.errors import DataError
from clickwright.schemas.strict_yaml import StrictModel

FILE_NAME = "trials.json"


class TuningResult(StrictModel):
    """All trials of a search, and what they say."""

    model: str
    """The registered model."""
    algorithm: str
    """How values were chosen."""
    objective: str
    """What was compared, on the validation split: `auc`."""
    direction: Literal["max", "min"]
    """Which values of it are better."""
    configured: dict[str, Any]
    """The configuration's own values, by name: `model.dropout`."""
    best: str
    """Number of the best trial."""
    trials: tuple[TrialOutcome, ...]
    """All, in the order of their numbers."""
    importance: dict[str, float]
    """Share of each parameter in how scores differ, largest first, by name; empty where
    too few trials tell."""
    seconds: float
    """Time that the trials took, one added to the other."""

    @property
    def best_trial(self) -> TrialOutcome:
        """The trial with the best score."""
        return next(trial for trial in self.trials if trial.trial == self.best)

    @property
    def as_configured(self) -> TrialOutcome:
        """The first trial: the configuration as it stands."""
        return self.trials[0]

    def write(self, folder: pathlib.Path) -> None:
        """Writes `trials.json`.

        Raises:
            MachineError: the folder cannot be written to, or the disk is full.
        """
        write_json(folder / FILE_NAME, self.model_dump(mode="json"))

    @classmethod
    def read(cls, folder: pathlib.Path) -> "TuningResult":
        """Reads `trials.json`.

        Raises:
            DataError: it is not there, or holds something else.
        """
        file = folder / FILE_NAME
        try:
            return cls.model_validate_json(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(
                f"The result of the search cannot be read: {error}.",
                where=str(file),
                fix="run the search again",
            ) from error


def changed(result: TuningResult) -> dict[str, Any]:
    """The best values that differ from the configuration's, by name."""
    own = result.configured
    return {
        name: value
        for name, value in result.best_trial.values.items()
        if json.dumps(value) != json.dumps(own[name])
    }
