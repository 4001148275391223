"""`clickwright submit`: a compiled pipeline goes to what runs it."""

import json
import logging
import pathlib
import time
from collections.abc import Sequence

import rich.console

from clickwright.pipeline.console import watched
from clickwright.pipeline.remote.compiled import Compiled, submission_path
from clickwright.pipeline.remote.image_registry import (
    image_exists,
    is_pull_problem,
    no_image,
)
from clickwright.pipeline.remote.kubeflow import Kubeflow
from clickwright.pipeline.remote.remote_run import RemoteRun
from clickwright.pipeline.remote.run_state import RunState
from clickwright.pipeline.remote.service import Service
from clickwright.pipeline.remote.submission import Submission
from clickwright.pipeline.remote.target import Target
from clickwright.pipeline.remote.vertex import Vertex
from clickwright.schemas.errors import ClickwrightError, ConfigError, MachineError
from clickwright.schemas.source import progress

POLL_SECONDS = 15.0
"""Between two looks at a run that is waited for."""
_ENDINGS = {"failed": "The run failed.", "cancelled": "The run was cancelled."}
_SERVICES: dict[Target, type[Vertex] | type[Kubeflow]] = {
    "vertex": Vertex,
    "kubeflow": Kubeflow,
}


def submit(
    path: pathlib.Path,
    console: rich.console.Console,
    *,
    target: Target | None = None,
    param: Sequence[str] = (),
    schedule: bool = False,
    replace: bool = False,
    wait: bool = False,
    dry_run: bool = False,
) -> None:
    """Starts a compiled pipeline once, or by its schedule.

    Args:
        path: what `clickwright compile` wrote.
        console: where results go.
        target: what the pipeline must have been compiled for.
        param: runtime parameters, `name=value`.
        schedule: make a schedule instead of a run.
        replace: end the schedules that the pipeline has, once the new one is made.
        wait: return when the run has ended.
        dry_run: print the request and send nothing.

    Raises:
        ConfigError: what was asked for cannot be: the options, the file, the place
            that it names, its image.
        MachineError: no credentials, no answer, or a run that failed.
    """
    compiled = Compiled.read(path)
    submission = _submission(compiled, target)
    _check_options(submission, path, schedule=schedule, replace=replace, wait=wait)
    # Each error is told once, by what it means.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    service: Service = _SERVICES[submission.target](compiled, submission)
    call = service.call(compiled.values(param), scheduled=schedule)
    messages = rich.console.Console(stderr=True)
    if call.note:
        messages.print(f"Note: {call.note}", soft_wrap=True, highlight=False)
    if dry_run:
        console.print_json(json.dumps(call.content()))
        return
    for image in _images(compiled, submission):
        if image_exists(image) is False:
            raise no_image(image, "its registry has no such image")
    old = service.schedules() if schedule else []
    if old and not replace:
        raise ConfigError(
            f"`{compiled.name}` has a schedule already, and would run twice: "
            f"{', '.join(found.page for found in old)}.",
            where="--schedule",
            fix="give --replace too, which ends it once the new one is made",
        )
    run = service.start(call)
    _show("Schedule" if schedule else "Run", run, console)
    for found in old:
        service.remove_schedule(found)
        _show("Ended", found, console)
    if wait:
        _watch(service, run, compiled, submission, messages)


def _submission(compiled: Compiled, target: Target | None) -> Submission:
    submission = compiled.submission
    if submission is None:
        beside = submission_path(compiled.path)
        raise ConfigError(
            f"Nothing says where the pipeline is to run: {beside.name} is missing.",
            where=str(beside),
            fix="keep it beside the spec, or compile again with `clickwright compile`",
        )
    if target is not None and target != submission.target:
        raise ConfigError(
            f"The pipeline was compiled for {submission.target}, not for {target}.",
            where=str(compiled.path),
            fix=f"compile it with --target {target}",
        )
    return submission


def _check_options(
    submission: Submission,
    path: pathlib.Path,
    *,
    schedule: bool,
    replace: bool,
    wait: bool,
) -> None:
    if schedule and submission.schedule is None:
        raise ConfigError(
            "The pipeline was compiled without a schedule.",
            where=str(path),
            fix="give `schedule` under `remote`, and compile again",
        )
    if schedule and wait:
        raise ConfigError(
            "A schedule has no end to wait for.",
            where="--wait",
            fix="leave out --wait or --schedule",
        )
    if replace and not schedule:
        raise ConfigError(
            "Only a schedule can be replaced.",
            where="--replace",
            fix="give --schedule too",
        )


def _show(what: str, run: RemoteRun, console: rich.console.Console) -> None:
    console.print(f"{what}: {run.page}", soft_wrap=True, highlight=False)


def _watch(
    service: Service,
    run: RemoteRun,
    compiled: Compiled,
    submission: Submission,
    console: rich.console.Console,
) -> None:
    """Waits for the end of a run, and says how far it is."""
    total = len(compiled.spec["root"]["dag"]["tasks"])
    stopped = False
    with watched(console, compiled.name) as line:
        try:
            while (state := service.state(run)).phase == "running":
                _tell(state, total)
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            stopped, line.state = True, "skipped"
        else:
            _tell(state, total)
            if state.phase != "succeeded":
                raise _failure(state, run, _images(compiled, submission))
    if stopped:  # submitting again would start another one
        _show("No longer waited for, but it goes on", run, console)
        raise SystemExit(130)


def _tell(state: RunState, total: int) -> None:
    detail = f"{state.ended} of {total} tasks"
    if state.at_work:
        detail += f", {state.at_work}"
    fraction = min(state.ended / total, 1.0)
    progress.info(detail, extra={"detail": detail, "fraction": fraction})


def _failure(
    state: RunState, run: RemoteRun, images: Sequence[str]
) -> ClickwrightError:
    said = state.problem or _ENDINGS[state.phase]
    if is_pull_problem(said):
        return no_image(next((i for i in images if i in said), images[0]), said)
    return MachineError(
        said,
        where=run.page,
        fix="read the task's log there, mend the cause, and submit again: tasks that "
        "ended well come from the cache",
    )


def _images(compiled: Compiled, submission: Submission) -> list[str]:
    """The images of all tasks, the run's own first."""
    found = [submission.image]
    for executor in compiled.spec["deploymentSpec"]["executors"].values():
        if "container" in executor:
            found.append(executor["container"]["image"])
        job = executor.get("customJob", {}).get("customJob", {}).get("jobSpec", {})
        for pool in job.get("workerPoolSpecs", []):
            found.append(pool["containerSpec"]["imageUri"])
    return list(dict.fromkeys(found))
