"""Results on disk: one JSON file a run and seed."""

import pathlib
import shutil

import pydantic

from clickwright.pipeline.bench.records import TrialResult
from clickwright.pipeline.bench.trial import Trial
from clickwright.schemas import atomic_file
from clickwright.schemas.errors import DataError


class Results:
    """The finished trainings below one folder.

    Args:
        folder: output folder of a board.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder

    def checkpoint_folder(self, trial: Trial) -> pathlib.Path:
        """Where an unfinished training keeps its state."""
        return self._folder / "checkpoints" / f"{trial.key}-{trial.seed}-{trial.digest}"

    def find(self, trial: Trial) -> TrialResult | None:
        """The result of a trial, or None.

        Raises:
            DataError: its file is damaged.
        """
        file = self._file(trial)
        return _read(file) if file.exists() else None

    def all_of(self, trial: Trial) -> tuple[TrialResult, ...]:
        """Results with the settings of a trial, whatever their seed, by seed."""
        found = self._folder.glob(f"results/{trial.key}/seed-*-{trial.digest}.json")
        return tuple(sorted((_read(f) for f in found), key=lambda r: r.seed))

    def save(self, trial: Trial, result: TrialResult) -> None:
        """Writes a result whole, then drops the training's state.

        Raises:
            MachineError: the folder cannot be written, or the disk is full.
        """
        atomic_file.write_json(self._file(trial), result.model_dump(mode="json"))
        shutil.rmtree(self.checkpoint_folder(trial), ignore_errors=True)

    def forget(self, trial: Trial) -> None:
        """Removes the result and the state of a trial."""
        self._file(trial).unlink(missing_ok=True)
        shutil.rmtree(self.checkpoint_folder(trial), ignore_errors=True)

    def _file(self, trial: Trial) -> pathlib.Path:
        name = f"seed-{trial.seed}-{trial.digest}.json"
        return self._folder / "results" / trial.key / name


def _read(file: pathlib.Path) -> TrialResult:
    try:
        return TrialResult.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, pydantic.ValidationError) as error:
        raise DataError(
            f"The result of a training is damaged: {error}.",
            where=str(file),
            fix="delete the file; the training is then done again",
        ) from error
