"""Finished trials, on disk."""

import json
import math
import os
import pathlib

from clickwright.components.encoder_search.trial import Trial, TrialResult
from clickwright.schemas.errors import storage_error

FILE_NAME = "trials.jsonl"


class TrialStore:
    """Keeps the results of trials, one JSON line each, so that a killed search goes on.

    A line that a kill cut off counts for nothing.

    Args:
        folder: folder of this search alone; None keeps nothing.
    """

    def __init__(self, folder: pathlib.Path | None) -> None:
        self._file = folder / FILE_NAME if folder else None
        self._results: dict[Trial, TrialResult] = {}
        if self._file is not None and self._file.exists():
            for line in self._file.read_text(encoding="utf-8").splitlines():
                self._take(line)

    def __len__(self) -> int:
        return len(self._results)

    def get(self, trial: Trial) -> TrialResult | None:
        """The result of a trial that has been finished; None of others."""
        return self._results.get(trial)

    def add(self, trial: Trial, result: TrialResult) -> None:
        """Keeps a result; it is on disk when this returns.

        Raises:
            MachineError: the folder cannot be written to, or the disk is full.
        """
        self._results[trial] = result
        if self._file is None:
            return
        # JSON has no infinity.
        logloss = result.logloss if math.isfinite(result.logloss) else None
        line = json.dumps(
            {
                "encoders": trial.encoders,
                "seed": trial.seed,
                "epochs": trial.epochs,
                "logloss": logloss,
                "trained": result.epochs,
            }
        )
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as file:
                # Ends a line that was cut off, so that this one stands alone.
                file.write(f"\n{line}\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise storage_error(error, self._file) from error

    def _take(self, line: str) -> None:
        try:
            kept = json.loads(line)
            trial = Trial(tuple(kept["encoders"]), kept["seed"], kept["epochs"])
            logloss = math.inf if kept["logloss"] is None else kept["logloss"]
            self._results[trial] = TrialResult(logloss, kept["trained"])
        except (ValueError, KeyError, TypeError):
            return  # empty, or cut off
