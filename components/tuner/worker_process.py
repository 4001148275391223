"""A process of its own for trials, as seen by the one that asks."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from typing import Any, TextIO, cast

from clickwright.components.tuner import worker
from clickwright.components.tuner.reporting_log import Report
from clickwright.components.tuner.trial_job import TrialJob
from clickwright.components.tuner.trial_outcome import TrialOutcome
from clickwright.components.tuner.trial_setting import TrialSetting
from clickwright.schemas import errors

_ERRORS: dict[str, type[errors.ClickwrightError]] = {
    cls.__name__: cls
    for cls in (errors.ConfigError, errors.DataError, errors.MachineError)
}


class WorkerProcess:
    """Trains trials as `TrialRunner` does, in a process that starts with the first.

    A process that has crashed is started anew with the next trial.

    Args:
        setting: what all trials have in common.
        number: of the process, among those that share the machine.
        gpus: how many GPUs they share.
    """

    def __init__(self, setting: TrialSetting, number: int, gpus: int) -> None:
        self._setting = setting
        self._number = number
        self._gpus = gpus
        self._process: subprocess.Popen[str] | None = None
        self._closed = False

    def run(self, job: TrialJob, report: Report) -> TrialOutcome:
        """See `TrialRunner.run`.

        Raises:
            ClickwrightError: as there.
            WorkerError: anything else went wrong, or the process ended.
        """
        process = self._running()
        _say(process, job.model_dump_json())
        while True:
            answer = _hear(process)
            if "curve" in answer:
                _say(process, json.dumps(report(tuple(answer["curve"]))))
            elif "outcome" in answer:
                return TrialOutcome.model_validate_json(json.dumps(answer["outcome"]))
            elif "error" in answer:
                said = answer["error"]
                cls = _ERRORS.get(said.pop("kind"), errors.ClickwrightError)
                raise cls(**said)
            else:
                raise WorkerError(answer["traceback"].strip())

    def close(self) -> None:
        """Ends the process, whatever it does, for good."""
        self._closed = True
        self._end()

    def _running(self) -> "subprocess.Popen[str]":
        """The process; a new one where there is none, or it has crashed."""
        if self._closed:
            raise WorkerError("The search has ended.")
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = self._start()
            _say(self._process, self._setting.model_dump_json())
        return self._process

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        # What was not sent yet cannot be any more.
        with contextlib.suppress(BrokenPipeError), self._process:
            pass

    def _start(self) -> subprocess.Popen[str]:
        cores = len(os.sched_getaffinity(0))
        threads = str(max(1, cores // self._setting.processes))
        own = {
            "TF_NUM_INTRAOP_THREADS": threads,
            "TF_NUM_INTEROP_THREADS": threads,
            "OMP_NUM_THREADS": threads,
            "TF_CPP_MIN_LOG_LEVEL": "2",
            # Else the first process takes all of a GPU's memory.
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        }
        if self._gpus > 1:
            own["CUDA_VISIBLE_DEVICES"] = str(self._number % self._gpus)
        return subprocess.Popen(
            [sys.executable, "-m", worker.__name__, str(self._number)],
            env=os.environ | own,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )


def _say(process: "subprocess.Popen[str]", line: str) -> None:
    stdin = cast(TextIO, process.stdin)
    try:
        stdin.write(line + "\n")
        stdin.flush()
    except BrokenPipeError as error:
        raise WorkerError(_ended(process)) from error


def _hear(process: "subprocess.Popen[str]") -> dict[str, Any]:
    line = cast(TextIO, process.stdout).readline()
    if not line:
        raise WorkerError(_ended(process))
    return dict(json.loads(line))


def _ended(process: "subprocess.Popen[str]") -> str:
    code = process.wait()
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    hint = "; the system ends it so where memory is short" if code == -9 else ""
    return f"The process of the trial ended with {how}{hint}."


class WorkerError(Exception):
    """A trial failed in its process; the message holds the traceback."""
