"""Finished trials, on disk."""

import math
import pathlib
from collections.abc import Mapping
from typing import Any

from clickwright.components.encoder_search.trial import Trial, TrialResult
from clickwright.components.json_lines import JsonLines

FILE_NAME = "trials.jsonl"


class TrialStore:
    """Keeps the results of trials, so that a killed search goes on.

    Args:
        folder: folder of this search alone; None keeps nothing.
    """

    def __init__(self, folder: pathlib.Path | None) -> None:
        self._lines = JsonLines(folder / FILE_NAME) if folder else None
        self._results: dict[Trial, TrialResult] = {}
        for kept in self._lines.read() if self._lines else ():
            self._take(kept)

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
        if self._lines is None:
            return
        # JSON has no infinity.
        logloss = result.logloss if math.isfinite(result.logloss) else None
        self._lines.append(
            {
                "encoders": trial.encoders,
                "seed": trial.seed,
                "epochs": trial.epochs,
                "logloss": logloss,
                "trained": result.epochs,
            }
        )

    def _take(self, kept: Mapping[str, Any]) -> None:
        try:
            trial = Trial(tuple(kept["encoders"]), kept["seed"], kept["epochs"])
            logloss = math.inf if kept["logloss"] is None else kept["logloss"]
            self._results[trial] = TrialResult(logloss, kept["trained"])
        except (KeyError, TypeError):
            return  # of another kind
