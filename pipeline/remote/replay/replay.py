"""Replays a compiled pipeline on this machine."""

import pathlib
from collections.abc import Sequence

import rich.console
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from clickwright.pipeline.lock import exclusive
from clickwright.pipeline.remote.compiled import Compiled, Value
from clickwright.pipeline.remote.replay.history import History
from clickwright.pipeline.remote.replay.lines import Lines
from clickwright.pipeline.remote.replay.run_record import RunRecord
from clickwright.pipeline.remote.replay.runner import Runner
from clickwright.pipeline.remote.replay.storage import Storage
from clickwright.pipeline.remote.submission import PIPELINE_ROOT
from clickwright.pipeline.remote.target import Target
from clickwright.schemas.errors import ConfigError, did_you_mean

_ROOT = "gs://replay"
"""Where artifacts go when neither spec nor job says it."""


def replay(
    path: pathlib.Path,
    console: rich.console.Console,
    *,
    root: pathlib.Path | None = None,
    param: Sequence[str] = (),
    start: str | None = None,
    jobs: int = 1,
) -> RunRecord:
    """Runs the tasks of a compiled pipeline, each in a process of its own.

    Object stores are folders here: `gs://bucket/key` is `<root>/gcs/bucket/key`, in
    artifacts and parameters alike, so that nothing outside the folder is read or
    written. A replay that did not end well is resumed.

    Args:
        path: what was compiled.
        console: for progress.
        root: folder for artifacts, logs and the state; `<spec>.replay` when None.
        param: runtime parameters, as `name=value`.
        start: a task that is to run again, with those after it.
        jobs: tasks that may run at the same time.

    Returns:
        The replay, ended well.

    Raises:
        TaskFailedError: a task failed.
        ClickwrightError: the spec, or a parameter, cannot be taken.
    """
    compiled = Compiled.read(path)
    values = compiled.values(param)
    root = (root or path.with_suffix(".replay")).resolve()
    spec = json_format.ParseDict(compiled.spec, pipeline_spec_pb2.PipelineSpec())
    # A spec of another program is taken for Vertex AI's, which knows all kinds of tasks.
    target: Target = compiled.submission.target if compiled.submission else "vertex"
    with exclusive(root, "--root"):
        history = History(root)
        run = history.last_run()
        if run is None or (run.state == "complete" and start is None):
            run = RunRecord(
                id=history.new_id(), state="running", spec=str(path), parameters=values
            )
        else:
            update = {"state": "running", "spec": str(path), "parameters": values}
            run = run.model_copy(update=update)
        lines = Lines(console, jobs)
        storage = Storage(root)
        runner = Runner(
            spec,
            target=target,
            pipeline_root=_pipeline_root(compiled, storage, values.get(PIPELINE_ROOT)),
            storage=storage,
            history=history,
            run=run.id,
            observer=lines,
            jobs=jobs,
            start=start,
        )
        _check_start(start, list(runner.task_names()), path)
        history.save_run(run)
        console.print(
            f"[bold]{compiled.name}[/] · replay {run.id} · {path}", highlight=False
        )
        runner.execute({n: v for n, v in values.items() if n != PIPELINE_ROOT})
        run = run.model_copy(update={"state": "complete"})
        history.save_run(run)
        console.print(f"{lines.summary()}: {root}", highlight=False, soft_wrap=True)
        return run


def _pipeline_root(compiled: Compiled, storage: Storage, asked: Value | None) -> str:
    """The address for artifacts; always one that lies in the replay's folder."""
    given = (
        asked,
        compiled.job.get("runtimeConfig", {}).get("gcsOutputDirectory"),
        compiled.spec.get("defaultPipelineRoot"),
    )
    return next((str(a) for a in given if a and storage.knows(str(a))), _ROOT)


def _check_start(start: str | None, names: Sequence[str], path: pathlib.Path) -> None:
    if start is not None and start not in names:
        raise ConfigError(
            f"The pipeline has no task `{start}`.{did_you_mean(start, names)}",
            where=f"{path}: --from",
            fix=f"give one of {', '.join(names)}",
        )
