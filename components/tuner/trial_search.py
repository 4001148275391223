"""The search: asks for values, trains them, tells what came of it."""

import concurrent.futures
import json
import logging
import math
import pathlib
import shutil
import threading
import traceback
from collections.abc import Sequence
from typing import Any, Protocol

import keras_tuner
from keras_tuner.engine import base_tuner
from keras_tuner.engine import trial as trial_module

from clickwright.components.json_lines import JsonLines
from clickwright.components.tuner.importance import importance
from clickwright.components.tuner.keras_space import from_keras
from clickwright.components.tuner.oracles import OBJECTIVE
from clickwright.components.tuner.params import TunerParams
from clickwright.components.tuner.pruner import MedianPruner
from clickwright.components.tuner.reporting_log import Report
from clickwright.components.tuner.result import TuningResult
from clickwright.components.tuner.searched import Searched
from clickwright.components.tuner.trial_job import TrialJob
from clickwright.components.tuner.trial_outcome import TrialOutcome
from clickwright.schemas.errors import (
    ClickwrightError,
    ConfigError,
    DataError,
    MachineError,
)

progress = logging.getLogger("clickwright.progress")
logger = logging.getLogger(__name__)

_FILE_NAME = "outcomes.jsonl"
_MOST_FAILURES = 3
"""Failures in a row that end the search."""
_Status = trial_module.TrialStatus


class Runner(Protocol):
    """Trains a trial, here or in another process."""

    def run(self, job: TrialJob, report: Report) -> TrialOutcome:
        """See `TrialRunner.run`."""

    def close(self) -> None:
        """Ends what it has started."""


class TrialSearch(base_tuner.BaseTuner):
    """A tuner of Keras Tuner's, for TFX, whose trials are trainings of ours.

    Every outcome is kept as it comes: a search that was killed asks for no trial twice
    that has ended. Trainings that diverge have no score. What fails for another reason
    is told, the first such trial in full: it ends the search if it is the first trial
    of all, which has the configured values, or one of three in a row.

    Args:
        oracle: chooses the values.
        space: the parameters.
        params: how to search.
        runners: what trains, one trial at a time each.
        model: the registered model.
        objective: what is compared, for messages.
        epochs: most epochs of a trial.
        folder: folder of this search alone.
    """

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        space: Sequence[Searched],
        params: TunerParams,
        runners: Sequence[Runner],
        *,
        model: str,
        objective: str,
        epochs: int,
        folder: pathlib.Path,
    ) -> None:
        super().__init__(oracle, directory=str(folder.parent), project_name=folder.name)
        self._space = space
        self._tuner = params
        self._runners = runners
        self._model = model
        self._objective = objective
        self._epochs = epochs
        self._folder = folder
        self._direction = oracle.objective.direction
        self._prunes = params.prune and params.algorithm != "hyperband"
        self._pruner = MedianPruner(self._direction)
        self._lines = JsonLines(folder / _FILE_NAME)
        self._outcomes: dict[str, TrialOutcome] = {}
        for kept in self._lines.read():
            self._take(TrialOutcome.model_validate_json(json.dumps(kept)))
        # Oracle and outcomes are used under this lock alone.
        self._changed = threading.Condition()
        self._failed: list[TrialOutcome] = []
        self._in_a_row = 0
        self._error: BaseException | None = None

    def search(self) -> None:
        """Runs all trials.

        Raises:
            ClickwrightError: trials fail, or no training converges; names the first
                such trial, its values and why.
        """
        try:
            if len(self._runners) == 1:
                self._work(self._runners[0], "0")
            else:
                with concurrent.futures.ThreadPoolExecutor(len(self._runners)) as pool:
                    work = [
                        pool.submit(self._work, runner, str(number))
                        for number, runner in enumerate(self._runners)
                    ]
                    try:
                        for done in concurrent.futures.as_completed(work):
                            done.result()
                    except BaseException as error:
                        self._stop(error)
                        raise
        finally:
            for runner in self._runners:
                runner.close()
        if self._error is not None:
            raise self._error
        result = self.result()
        said = self._said(result.best_trial, result.as_configured)
        progress.info("tuned", extra={"detail": said, "fraction": 1.0})

    def get_best_hyperparameters(
        self, num_trials: int = 1
    ) -> list[keras_tuner.HyperParameters]:
        """As Keras Tuner has them; trials without a score do not count."""
        ranked = sorted(self._scored(), key=self._rank)[:num_trials]
        return [self.oracle.get_trial(o.trial).hyperparameters for o in ranked]

    def result(self) -> TuningResult:
        """All trials so far.

        Raises:
            ConfigError: no training converged.
        """
        trials = tuple(self._outcomes[name] for name in sorted(self._outcomes, key=int))
        scored = self._scored()
        if not scored:
            why = next((t.message for t in trials if t.message), "")
            raise ConfigError(
                f"None of {len(trials)} trials has a score. The first: {why}",
                where="tuner",
                fix="lower the learning rates under `tuner.space.training`, or see the "
                "log",
            )
        return TuningResult(
            model=self._model,
            algorithm=self._tuner.algorithm,
            objective=self._objective,
            direction=self._direction,
            configured={s.name: s.configured for s in self._space},
            best=min(scored, key=self._rank).trial,
            trials=trials,
            importance=importance(self._space, trials),
            seconds=sum(trial.seconds for trial in trials),
        )

    def discard(self) -> None:
        """Removes what a killed search would go on from."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _work(self, runner: Runner, name: str) -> None:
        """One runner's trials, one after the other."""
        while (trial := self._next(name)) is not None:
            job = self._job(trial)
            known = self._outcomes.get(job.trial)
            if known is None:
                try:
                    outcome = runner.run(job, self._reported(job))
                except (DataError, MachineError) as error:
                    # Other values would not help, unless it is these that make
                    # rows look bad.
                    if isinstance(error, MachineError) or int(job.trial) == 0:
                        self._stop(error)
                        return
                    outcome = _failed(job, error)
                except Exception as error:  # noqa: BLE001, told as the trial's
                    outcome = _failed(job, error)
                if not self._takes(outcome):
                    return
            self._end(trial, known or outcome)

    def _next(self, name: str) -> Any:
        """The next trial; None where there are no more."""
        with self._changed:
            while self._error is None:
                try:
                    trial = self.oracle.create_trial(f"worker-{name}")
                except BaseException as error:
                    # Nobody may ask it again: its own lock stays closed.
                    self._error = error
                    self._changed.notify_all()
                    raise
                if trial.status == _Status.RUNNING:
                    return trial
                if trial.status == _Status.STOPPED:
                    return None
                self._changed.wait()  # for what running trials tell
        return None

    def _job(self, trial: Any) -> TrialJob:
        values = trial.hyperparameters.values
        with self._changed:
            best = min(self._scored(), key=self._rank, default=None)
        title = f"trial {int(trial.trial_id) + 1}/{self._tuner.trials}"
        if best is not None:
            title += f", best {self._objective} {best.score:.4f}"
        checkpoint: pathlib.Path | None = None
        epochs = self._epochs
        if self._tuner.algorithm == "hyperband":
            epochs = int(values["tuner/epochs"])
            checkpoint = self._checkpoint(trial.trial_id)
            earlier = values.get("tuner/trial_id")
            if earlier is not None and not checkpoint.exists():
                # A copy: a killed search may ask for the earlier trial again.
                staging = checkpoint.with_name(f".{checkpoint.name}")
                shutil.rmtree(staging, ignore_errors=True)
                shutil.copytree(self._checkpoint(earlier), staging)
                staging.rename(checkpoint)
        return TrialJob(
            trial=trial.trial_id,
            values=from_keras(self._space, values),
            epochs=epochs,
            title=title,
            checkpoint=None if checkpoint is None else str(checkpoint),
        )

    def _checkpoint(self, trial: str) -> pathlib.Path:
        return self._folder / "states" / trial

    def _reported(self, job: TrialJob) -> Report:
        def report(curve: tuple[float, ...]) -> bool:
            with self._changed:
                if self._error is not None:
                    return False
                if len(self._runners) > 1:
                    detail = f"{job.title}: {curve[-1]:.4f} after {len(curve)} epochs"
                    self._say(detail)
                return not self._prunes or self._pruner.goes_on(curve)

        return report

    def _takes(self, outcome: TrialOutcome) -> bool:
        """Keeps an outcome; False where the search is over before that."""
        with self._changed:
            if outcome.state == "failed" and self._error is None:
                self._fail(outcome)
            else:
                self._in_a_row = 0
            if self._error is not None:
                return False
            self._lines.append(outcome.model_dump(mode="json"))
            self._take(outcome)
            return True

    def _end(self, trial: Any, outcome: TrialOutcome) -> None:
        """Tells Keras Tuner, and whoever waits for it."""
        with self._changed:
            trial.status = _Status.FAILED
            trial.message = outcome.message or None
            if outcome.score is not None:
                trial.status = _Status.COMPLETED
                self.oracle.update_trial(
                    outcome.trial, {OBJECTIVE: outcome.score}, step=outcome.epochs
                )
            self.on_trial_end(trial)
            self._say("")
            self._changed.notify_all()

    def _take(self, outcome: TrialOutcome) -> None:
        self._outcomes[outcome.trial] = outcome
        self._pruner.ended(outcome.curve)

    def _fail(self, outcome: TrialOutcome) -> None:
        """Takes note of a failure; too many, or that of the first trial, is the end."""
        self._failed.append(outcome)
        self._in_a_row += 1
        logger.error("trial %s failed: %s", outcome.trial, outcome.message)
        first = self._failed[0]
        if self._in_a_row < _MOST_FAILURES and int(outcome.trial) > 0:
            last = outcome.message.splitlines()[-1]
            self._say(f"trial {int(outcome.trial) + 1} failed: {last}")
            return
        said = f"Trial {int(first.trial) + 1} failed: {first.message}"
        how = "the configuration as it stands"
        if int(first.trial) > 0:
            how = ", ".join(f"{n}: {json.dumps(v)}" for n, v in first.values.items())
        self._stop(
            ConfigError(
                said,
                where=f"tuner, trial {int(first.trial) + 1} ({how})",
                fix="mend what the message names; finished trials are kept",
            )
        )

    def _stop(self, error: BaseException) -> None:
        with self._changed:
            if self._error is None:
                self._error = error
            self._changed.notify_all()
        if len(self._runners) > 1:  # else it is this thread that trains
            for runner in self._runners:
                runner.close()

    def _scored(self) -> list[TrialOutcome]:
        return [o for o in self._outcomes.values() if o.score is not None]

    def _rank(self, outcome: TrialOutcome) -> tuple[float, int]:
        """The best first; of equals the one that was tried first."""
        if outcome.score is None:
            return math.inf, int(outcome.trial)
        sign = -1.0 if self._direction == "max" else 1.0
        return sign * outcome.score, int(outcome.trial)

    def _say(self, detail: str) -> None:
        ended = len(self._outcomes)
        if not detail:
            best = min(self._scored(), key=self._rank, default=None)
            detail = f"{ended} of {self._tuner.trials} trials"
            if best is not None:
                detail += f", best {self._objective} {best.score:.4f}"
            if self._failed:
                detail += f", {len(self._failed)} failed"
        fraction = min(ended / self._tuner.trials, 1.0)
        progress.info("tuning", extra={"detail": detail, "fraction": fraction})

    def _said(self, best: TrialOutcome, configured: TrialOutcome) -> str:
        states = [o.state for o in self._outcomes.values()]
        told = [f"{len(states)} trials"]
        for state in ("pruned", "diverged", "failed"):
            if count := states.count(state):
                told.append(f"{count} {state}")
        said = f"best {self._objective} {best.score:.4f}"
        if configured.score is not None:
            said += f", as configured {configured.score:.4f}"
        return f"{', '.join(told)}; {said}"


def _failed(job: TrialJob, error: Exception) -> TrialOutcome:
    message = str(error).strip() or type(error).__name__
    if not isinstance(error, ClickwrightError) and "\n" not in message:
        logger.error("%s", "".join(traceback.format_exception(error)))
        message = f"{type(error).__name__}: {message}"
    return TrialOutcome(
        trial=job.trial, values=job.values, state="failed", message=message
    )
