"""Executes the tasks of a spec, as KFP's driver, launcher and backend do."""

import concurrent.futures
import dataclasses
import hashlib
import json
import pathlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from clickwright.pipeline.remote.replay import executor_input as inputs_
from clickwright.pipeline.remote.replay import resolver
from clickwright.pipeline.remote.replay.condition import Condition
from clickwright.pipeline.remote.replay.container import Container
from clickwright.pipeline.remote.replay.dag import Dag, Values
from clickwright.pipeline.remote.replay.execution import Execution, State
from clickwright.pipeline.remote.replay.executor_output import merge_told, read_outputs
from clickwright.pipeline.remote.replay.history import History
from clickwright.pipeline.remote.replay.processes import Processes
from clickwright.pipeline.remote.replay.storage import Storage
from clickwright.pipeline.remote.replay.task_failed import TaskFailedError
from clickwright.pipeline.remote.target import Target
from clickwright.schemas.errors import ClickwrightError, ConfigError, DataError

LOG = "log.txt"
_POLL_SECONDS = 1.0
_GOOD = ("complete", "cached")


class Observer(Protocol):
    """Hears how tasks go."""

    def task_started(self, name: str, log: pathlib.Path) -> None:
        """Called when a task's work begins."""

    def tasks_run(self) -> None:
        """Called each second while tasks are at work."""

    def task_ended(self, name: str, state: State, seconds: float) -> None:
        """Called when a task has ended, or was not needed."""


@dataclasses.dataclass
class _Level:
    """A DAG at work: the root, or one within a task."""

    dag: Dag
    given: Values
    anew: set[str]
    states: dict[str, State] = dataclasses.field(default_factory=dict)
    ended: dict[str, Values] = dataclasses.field(default_factory=dict)
    running: "dict[concurrent.futures.Future[_Result], str]" = dataclasses.field(
        default_factory=dict
    )

    def good(self, names: set[str]) -> bool:
        return all(self.states[name] in _GOOD for name in names)


@dataclasses.dataclass(frozen=True)
class _Work:
    """One container that is to run."""

    execution: Execution
    component: pipeline_spec_pb2.ComponentSpec
    container: Container
    executor_input: pipeline_spec_pb2.ExecutorInput
    folder: pathlib.Path


@dataclasses.dataclass(frozen=True)
class _Result:
    """How a container ended."""

    execution: Execution
    failure: TaskFailedError | None


class Runner:
    """Runs one replay.

    Args:
        spec: the pipeline spec.
        target: whose ways are followed where Vertex AI and Kubeflow differ.
        pipeline_root: address under which artifacts go.
        storage: where addresses lie.
        history: what ran before; it is told what runs now.
        run: id of this replay.
        observer: hears how it goes.
        jobs: tasks that may run at the same time.
        start: a task that is to run again, with those after it.

    Raises:
        ConfigError: the target does not know what the spec asks for.
    """

    def __init__(
        self,
        spec: pipeline_spec_pb2.PipelineSpec,
        *,
        target: Target,
        pipeline_root: str,
        storage: Storage,
        history: History,
        run: str,
        observer: Observer,
        jobs: int = 1,
        start: str | None = None,
    ) -> None:
        self._spec = spec
        self._target = target
        self._storage = storage
        self._history = history
        self._run = run
        self._observer = observer
        self._jobs = jobs
        self._start = start or ""
        self._executors = json_format.ParseDict(
            json_format.MessageToDict(spec.deployment_spec),
            pipeline_spec_pb2.PipelineDeploymentConfig(),
        ).executors
        self._address = f"{pipeline_root.rstrip('/')}/{spec.pipeline_info.name}/{run}"
        self._processes = Processes()
        self._pool = concurrent.futures.ThreadPoolExecutor(jobs)
        self._failure: TaskFailedError | None = None
        self._check()

    def execute(self, parameters: Mapping[str, Any]) -> None:
        """Runs every task that has not ended well yet.

        Args:
            parameters: values of the runtime parameters.

        Raises:
            TaskFailedError: a task failed. What was under way has ended, and nothing
                else was begun.
            ConfigError: the spec cannot be run as it is.
        """
        try:
            given = Values(parameters=dict(parameters))
            self._run_dag(self._spec.root.dag, "", given, again=False)
        finally:
            self._processes.close()
            self._pool.shutdown(wait=True, cancel_futures=True)
        if self._failure is not None:
            raise self._failure

    def task_names(self) -> Iterator[str]:
        """All tasks, those of inner DAGs with the outer task's name before theirs."""
        yield from self._names(self._spec.root.dag, "")

    def _names(self, spec: pipeline_spec_pb2.DagSpec, prefix: str) -> Iterator[str]:
        for name, task in spec.tasks.items():
            yield prefix + name
            component = self._spec.components[task.component_ref.name]
            if component.HasField("dag"):
                yield from self._names(component.dag, f"{prefix}{name}/")

    def _check(self) -> None:
        if self._target == "vertex":
            return
        for label, executor in sorted(self._executors.items()):
            kind = executor.WhichOneof("spec")
            if kind in ("resolver", "custom_job"):
                raise ConfigError(
                    f"Kubeflow Pipelines has no executor of the kind `{kind}`; only "
                    "Vertex AI has.",
                    where=label,
                    fix="compile it for Vertex AI, or without this task",
                )

    def _run_dag(
        self, spec: pipeline_spec_pb2.DagSpec, prefix: str, given: Values, again: bool
    ) -> Values:
        dag = Dag(spec, prefix)
        asked = {n for n in dag.order if again or prefix + n == self._start}
        # Of a task with an inner DAG only what is asked for runs again within, and all
        # that follows it.
        level = _Level(dag, given, asked)
        while True:
            while (name := self._next_ready(level)) is not None:
                self._begin(level, name)
            if not level.running:
                return dag.outputs(level.ended)
            self._await(level)

    def _next_ready(self, level: _Level) -> str | None:
        """The first task that can begin, after those that are to be skipped."""
        dag, under_way = level.dag, set(level.running.values())
        ready = [
            name
            for name in dag.order
            if name not in level.states
            and name not in under_way
            and dag.upstream(name) <= level.states.keys()
        ]
        for name in ready:
            if not dag.runs_always(name) and not level.good(dag.upstream(name)):
                return name
        if len(under_way) < self._jobs:
            for name in ready:
                if self._failure is None or dag.runs_always(name):
                    return name
        return None

    def _begin(self, level: _Level, name: str) -> None:
        dag, full = level.dag, level.dag.prefix + name
        upstream = dag.upstream(name)
        if not dag.runs_always(name) and not level.good(upstream):
            self._end(level, name, "skipped")
            return
        if level.anew & upstream or any(self._holds_start(dag, u) for u in upstream):
            level.anew.add(name)
        task = dag.tasks[name]
        component = self._spec.components[task.component_ref.name]
        values = dag.inputs(
            name, level.given, level.ended, level.states, self._constants(full)
        )
        given = inputs_.make_inputs(
            values.parameters, values.artifacts, component, self._target
        )
        if condition := task.trigger_policy.condition:
            fields = json_format.MessageToDict(given, preserving_proto_field_name=True)
            if not Condition(condition, full).holds(fields):
                self._end(level, name, "skipped")
                return
        if component.HasField("dag"):
            self._run_inner(level, name, component, given, values)
            return
        executor = self._executors[component.executor_label]
        match executor.WhichOneof("spec"):
            case "resolver":
                self._resolve(level, name, executor.resolver, given)
            case "importer":
                imported = self._import(executor.importer, component, values, full)
                self._record(level, name, imported)
            case _:
                self._begin_container(level, name, component, executor, given)

    def _run_inner(
        self,
        level: _Level,
        name: str,
        component: pipeline_spec_pb2.ComponentSpec,
        given: pipeline_spec_pb2.ExecutorInput,
        values: Values,
    ) -> None:
        parameters = json_format.MessageToDict(given)["inputs"]
        inner = Values(parameters.get("parameterValues", {}), values.artifacts)
        failed_before = self._failure
        outputs = self._run_dag(
            component.dag, f"{level.dag.prefix}{name}/", inner, name in level.anew
        )
        if self._failure is not failed_before:
            level.states[name] = "failed"
        else:
            level.states[name], level.ended[name] = "complete", outputs

    def _begin_container(
        self,
        level: _Level,
        name: str,
        component: pipeline_spec_pb2.ComponentSpec,
        executor: pipeline_spec_pb2.PipelineDeploymentConfig.ExecutorSpec,
        given: pipeline_spec_pb2.ExecutorInput,
    ) -> None:
        full = level.dag.prefix + name
        container = Container.of(executor, full)
        digest = _fingerprint(
            dataclasses.asdict(container),
            json_format.MessageToDict(given),
            json_format.MessageToDict(component.output_definitions),
        )
        before = self._history.latest(self._run, full)
        if name not in level.anew:
            kept = before
            if kept is None or not kept.good or kept.fingerprint != digest:
                cached = level.dag.tasks[name].caching_options.enable_cache
                kept = self._history.same(full, digest) if cached else None
            if kept is not None and self._is_there(kept):
                if kept.run != self._run:
                    kept = kept.model_copy(
                        update={
                            "run": self._run,
                            "attempt": before.attempt + 1 if before else 1,
                            "state": "cached",
                            "seconds": 0.0,
                        }
                    )
                    self._history.save(kept)
                level.ended[name] = Values(kept.parameters, kept.artifacts)
                self._end(level, name, "cached")
                return
        execution = Execution(
            task=full,
            run=self._run,
            attempt=before.attempt + 1 if before else 1,
            state="running",
            fingerprint=digest,
        )
        attempt = f"{full}/{execution.attempt}"
        inputs_.add_outputs(
            given,
            component,
            f"{self._address}/{attempt}",
            f"{self._run}/{attempt}",
            self._storage,
        )
        self._history.save(execution)
        folder = self._history.folder(execution)
        work = _Work(execution, component, container, given, folder)
        self._observer.task_started(full, folder / LOG)
        level.running[self._pool.submit(self._work, work)] = name

    def _work(self, work: _Work) -> _Result:
        """Runs a container to its end; the one thing done beside the main thread."""
        started = time.monotonic()
        log = work.folder / LOG
        update: dict[str, Any] = {"state": "complete"}
        failure: TaskFailedError | None = None
        task = work.execution.task
        try:
            given = inputs_.localized(work.executor_input, self._storage)
            inputs_.prepare_folders(given)
            hook = work.container.hook if self._target == "vertex" else ()
            code = self._run_command(work, hook, given, log) if hook else 0
            if not code:
                if hook:
                    merge_told(given, task)  # the service passes it on to the task
                code = self._run_command(work, work.container.command, given, log)
            if code:
                failure = TaskFailedError(task, log, code, last_line(log))
            else:
                outputs = read_outputs(given, work.component, self._storage, task)
                if self._target == "kubeflow":
                    for artifacts in outputs.artifacts.values():
                        for artifact in artifacts:
                            self._storage.drop_empty_folders(artifact["uri"])
                update |= dataclasses.asdict(outputs)
            update["exit_code"] = code
        except ClickwrightError as error:
            failure = TaskFailedError(task, log, None, str(error))
        if failure is not None:
            update["state"] = "failed"
        update["seconds"] = round(time.monotonic() - started, 3)
        update["ended"] = time.time()
        return _Result(work.execution.model_copy(update=update), failure)

    def _run_command(
        self,
        work: _Work,
        command: Sequence[str],
        given: pipeline_spec_pb2.ExecutorInput,
        log: pathlib.Path,
    ) -> int:
        return self._processes.run(
            [inputs_.filled(word, given) for word in command],
            work.container.environment,
            work.folder / "work",
            log,
            work.execution.task,
        )

    def _await(self, level: _Level) -> None:
        done, _ = concurrent.futures.wait(
            level.running, _POLL_SECONDS, concurrent.futures.FIRST_COMPLETED
        )
        self._observer.tasks_run()
        for future in done:
            name, result = level.running.pop(future), future.result()
            execution = result.execution
            self._history.save(execution)
            self._failure = self._failure or result.failure
            if execution.good:
                level.ended[name] = Values(execution.parameters, execution.artifacts)
            self._end(level, name, execution.state, execution.seconds)

    def _resolve(
        self,
        level: _Level,
        name: str,
        spec: pipeline_spec_pb2.PipelineDeploymentConfig.ResolverSpec,
        given: pipeline_spec_pb2.ExecutorInput,
    ) -> None:
        full = level.dag.prefix + name
        before = self._history.latest(self._run, full)
        if before is not None and name not in level.anew:
            # A resumed run must not find what it has made itself in the meantime.
            level.ended[name] = Values(artifacts=before.artifacts)
            self._end(level, name, "cached")
            return
        known = self._history.artifacts()
        found = resolver.resolve(spec, given, known, full)
        self._record(level, name, Values(artifacts=found))

    def _record(self, level: _Level, name: str, outputs: Values) -> None:
        """Remembers a task that needs no process."""
        full = level.dag.prefix + name
        before = self._history.latest(self._run, full)
        self._history.save(
            Execution(
                task=full,
                run=self._run,
                attempt=before.attempt + 1 if before else 1,
                # Its outputs are those of other tasks: not "complete", or a later
                # resolver would find them as its own.
                state="cached",
                ended=time.time(),
                **dataclasses.asdict(outputs),
            )
        )
        level.ended[name] = outputs
        self._end(level, name, "complete")

    def _import(
        self,
        spec: pipeline_spec_pb2.PipelineDeploymentConfig.ImporterSpec,
        component: pipeline_spec_pb2.ComponentSpec,
        values: Values,
        full: str,
    ) -> Values:
        if spec.artifact_uri.WhichOneof("value") == "runtime_parameter":
            address = str(values.parameters[spec.artifact_uri.runtime_parameter])
        else:
            address = spec.artifact_uri.constant.string_value
        path = self._storage.path(address)
        if not path.exists():
            raise DataError(
                f"There is nothing to import. Received: {address}, which is {path} "
                "here.",
                where=full,
                fix=f"copy it to {path}, or give another address as a parameter",
            )
        artifact = {
            "name": address,
            "uri": address,
            "type": json_format.MessageToDict(spec.type_schema),
            "metadata": json_format.MessageToDict(spec.metadata),
        }
        [name] = component.output_definitions.artifacts
        return Values(artifacts={name: [artifact]})

    def _is_there(self, execution: Execution) -> bool:
        """Whether nobody has removed the folders that its outputs lie in."""
        return all(
            self._storage.path(artifact["uri"]).parent.exists()
            for artifacts in execution.artifacts.values()
            for artifact in artifacts
        )

    def _holds_start(self, dag: Dag, name: str) -> bool:
        return self._start.startswith(f"{dag.prefix}{name}/")

    def _constants(self, full: str) -> dict[str, str]:
        """Values of the placeholders that the backend fills in parameters."""
        return {
            "{{$.pipeline_job_name}}": self._spec.pipeline_info.name,
            "{{$.pipeline_job_resource_name}}": self._run,
            "{{$.pipeline_job_uuid}}": self._run,
            "{{$.pipeline_task_name}}": full.rpartition("/")[2],
            "{{$.pipeline_task_uuid}}": full,
        }

    def _end(
        self, level: _Level, name: str, state: State, seconds: float = 0.0
    ) -> None:
        level.states[name] = state
        self._observer.task_ended(level.dag.prefix + name, state, seconds)


def _fingerprint(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def last_line(log: pathlib.Path) -> str:
    """What a task said last; empty where it said nothing."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = file.read().decode("utf-8", "replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
