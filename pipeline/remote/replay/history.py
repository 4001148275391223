"""The replays of one folder: what ran, and what came of it."""

import datetime
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from clickwright.pipeline.remote.replay.execution import Execution
from clickwright.pipeline.remote.replay.run_record import RunRecord
from clickwright.schemas.atomic_file import write_text
from clickwright.schemas.strict_yaml import StrictModel, parse

_Record = TypeVar("_Record", bound=StrictModel)
_EXECUTION = "execution.json"
_RUN = "run.json"


class History:
    """Keeps executions as files: `runs/<run>/<task>/<attempt>/execution.json`.

    Args:
        root: folder of the replays.
    """

    def __init__(self, root: pathlib.Path) -> None:
        self._runs = root / "runs"
        read = (_read(Execution, path) for path in self._runs.rglob(_EXECUTION))
        self._known = {(e.run, e.task, e.attempt): e for e in read}

    def last_run(self) -> RunRecord | None:
        """The newest replay; None before the first."""
        files = sorted(self._runs.glob(f"*/{_RUN}"))
        return _read(RunRecord, files[-1]) if files else None

    def new_id(self) -> str:
        """An id for a replay that sorts after those of all earlier ones."""
        now = datetime.datetime.now(datetime.UTC)
        return now.strftime("%Y%m%dT%H%M%S.%fZ")

    def save_run(self, run: RunRecord) -> None:
        """Writes what a replay is and how it stands."""
        write_text(self._runs / run.id / _RUN, run.model_dump_json(indent=2) + "\n")

    def save(self, execution: Execution) -> None:
        """Writes an execution, in place of what was known of it."""
        text = execution.model_dump_json(indent=2) + "\n"
        write_text(self.folder(execution) / _EXECUTION, text)
        self._known[execution.run, execution.task, execution.attempt] = execution

    def folder(self, execution: Execution) -> pathlib.Path:
        """Where the execution's log lies."""
        return self._runs / execution.run / execution.task / str(execution.attempt)

    def latest(self, run: str, task: str) -> Execution | None:
        """The task's last attempt in a replay."""
        found = [e for e in self._known.values() if (e.run, e.task) == (run, task)]
        return max(found, key=lambda e: e.attempt, default=None)

    def same(self, task: str, fingerprint: str) -> Execution | None:
        """The newest execution that was given the same and ended well."""
        wanted = (task, fingerprint, "complete")
        found = [
            e
            for e in self._known.values()
            if (e.task, e.fingerprint, e.state) == wanted
        ]
        return max(found, key=lambda e: e.ended, default=None)

    def artifacts(self) -> Iterator[Mapping[str, Any]]:
        """Everything that executions gave, the newest first."""
        ended = [e for e in self._known.values() if e.state == "complete"]
        for execution in sorted(ended, key=lambda e: e.ended, reverse=True):
            for artifacts in execution.artifacts.values():
                yield from artifacts


def _read(model: type[_Record], path: pathlib.Path) -> _Record:
    return parse(model, json.loads(path.read_text("utf-8")), str(path))
