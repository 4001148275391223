"""Runs a pipeline on this machine, node by node, and tells an observer how it goes."""

import dataclasses
import logging
import pathlib
import shutil
import time
from typing import Any, Literal, Protocol

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.portable import launcher, runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2

from clickwright.schemas.errors import ClickwrightError

State = Literal["complete", "cached", "failed", "skipped"]
_STATES: dict[int, State] = {
    metadata_store_pb2.Execution.COMPLETE: "complete",
    metadata_store_pb2.Execution.CACHED: "cached",
}
_logger = logging.getLogger(__name__)
_OLD_TYPES = ("AutoDisReport", "DiscretizationPlan", "Experiment", "ItemTable")
"""Names of our artifact types before they could stand in a compiled pipeline."""
_RUN_ID_PARAMETER = "pipeline-run-id"


@dataclasses.dataclass(frozen=True)
class NodeOutcome:
    """How one node of the pipeline ended.

    Attributes:
        name: the node's id.
        state: `cached` when an earlier run's result was taken.
        seconds: wall-clock time.
        execution: its execution in ML Metadata; None when it was skipped.
    """

    name: str
    state: State
    seconds: float
    execution: int | None


@dataclasses.dataclass(frozen=True)
class GraphNode:
    """One node of the DAG: its component's class and the nodes that it waits for."""

    type: str
    upstream: tuple[str, ...]


class NodeError(Exception):
    """A node failed; the cause says why.

    Args:
        node: the node's id.
        cause: what its executor raised.
    """

    def __init__(self, node: str, cause: BaseException) -> None:
        super().__init__(f"{node}: {cause}")
        self.node = node
        self.cause = cause


class Observer(Protocol):
    """Hears when nodes start and end."""

    def node_started(self, name: str) -> None:
        """Called before the node's driver runs."""

    def node_ended(self, outcome: NodeOutcome) -> None:
        """Called after the node's result was published, or the node failed."""


class LocalRunner(LocalDagRunner):
    """TFX's local runner with an observer and the run's own id.

    Args:
        observer: hears when nodes start and end.
        run_id: id of the run in ML Metadata.
        until: the last node to run, after those that it waits for; None for all.

    Attributes:
        outcomes: nodes that ended so far, in order.
        graph: every node of the pipeline, in topological order.
    """

    def __init__(
        self, observer: Observer, run_id: str, until: str | None = None
    ) -> None:
        super().__init__()
        self._observer = observer
        self._run_id = run_id
        self._until = until
        self.outcomes: list[NodeOutcome] = []
        self.graph: dict[str, GraphNode] = {}

    def run_with_ir(
        self,
        pipeline: pipeline_pb2.Pipeline,
        run_options: pipeline_pb2.RunOptions | None = None,
        **kwargs: Any,
    ) -> None:
        """Runs the nodes in topological order and stops at the first that fails.

        Raises:
            NodeError: names the node; its cause is what the executor raised.
        """
        runtime_parameter_utils.substitute_runtime_parameter(
            pipeline, {_RUN_ID_PARAMETER: self._run_id}
        )
        deployment = runner_utils.extract_local_deployment_config(pipeline)
        connections = deployment.metadata_connection_config
        connection = getattr(connections, connections.WhichOneof("connection_config"))
        for node in pipeline.nodes:
            info = node.pipeline_node.node_info
            self.graph[info.id] = GraphNode(
                info.type.name.rsplit(".", 1)[-1],
                tuple(node.pipeline_node.upstream_nodes),
            )
        wanted = self.graph if self._until is None else self._before(self._until)
        for node in pipeline.nodes:
            if node.pipeline_node.node_info.id not in wanted:
                continue
            self._run_node(pipeline, node.pipeline_node, deployment, connection)

    def _before(self, name: str) -> set[str]:
        """A node and all that it waits for."""
        found = {name}
        for node in reversed(self.graph):  # what waits for a node comes before it
            if node in found:
                found.update(self.graph[node].upstream)
        return found

    def _run_node(
        self,
        pipeline: pipeline_pb2.Pipeline,
        node: pipeline_pb2.PipelineNode,
        deployment: Any,
        connection: metadata_store_pb2.ConnectionConfig,
    ) -> None:
        name = node.node_info.id
        started = time.monotonic()
        self._observer.node_started(name)
        try:
            info = launcher.Launcher(
                pipeline_node=node,
                mlmd_connection=metadata.Metadata(connection),
                pipeline_info=pipeline.pipeline_info,
                pipeline_runtime_spec=pipeline.runtime_spec,
                executor_spec=runner_utils.extract_executor_spec(deployment, name),
                custom_driver_spec=runner_utils.extract_custom_driver_spec(
                    deployment, name
                ),
            ).launch()
            execution = info.execution_id if info is not None else None
            state = _state(connection, execution)
            if state == "failed":
                raise RuntimeError("its inputs could not be resolved; see the log")
        except Exception as error:
            self._end(name, "failed", started, None)
            raise NodeError(name, find_cause(error)) from error
        self._end(name, state, started, execution)

    def _end(
        self, name: str, state: State, started: float, execution: int | None
    ) -> None:
        outcome = NodeOutcome(name, state, time.monotonic() - started, execution)
        self.outcomes.append(outcome)
        self._observer.node_ended(outcome)


def find_cause(error: BaseException) -> BaseException:
    """The error of ours that Beam or TFX wrapped, else the error itself."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        if isinstance(current, ClickwrightError):
            return current
        seen.add(id(current))
        current = current.__cause__ or current.__context__
    return error


def close_interrupted(database: pathlib.Path, pipeline_root: pathlib.Path) -> list[str]:
    """Marks executions that a killed run left open as failed; drops their outputs.

    Call it only while the folder is held: no other run can then be under way.

    Returns:
        Nodes whose executions were closed.
    """
    if not database.exists():
        return []
    store = metadata_store.MetadataStore(
        metadata.sqlite_metadata_connection_config(str(database))
    )
    types = {t.id: t.name for t in store.get_execution_types()}
    stale = [
        execution
        for execution in store.get_executions()
        if execution.last_known_state
        in (metadata_store_pb2.Execution.RUNNING, metadata_store_pb2.Execution.NEW)
    ]
    for execution in stale:
        execution.last_known_state = metadata_store_pb2.Execution.FAILED
        for folder in pipeline_root.glob(f"*/*/{execution.id}"):
            shutil.rmtree(folder, ignore_errors=True)
        for folder in pipeline_root.glob(f"*/.system/*/{execution.id}"):
            shutil.rmtree(folder, ignore_errors=True)
    if stale:
        store.put_executions(stale)
    closed = [types[execution.type_id].rsplit(".", 1)[-1] for execution in stale]
    if closed:
        _logger.info("Closed the executions of a killed run: %s", closed)
    return closed


def retire_old_types(database: pathlib.Path) -> int:
    """Keeps what was made under the old names of our artifact types from the cache.

    TFX's cache does not look at the types of outputs, and what reads them finds none of
    the type that it asks for. Their components run once more instead.

    Returns:
        How many artifacts were retired.
    """
    if not database.exists():
        return 0
    store = metadata_store.MetadataStore(
        metadata.sqlite_metadata_connection_config(str(database))
    )
    old = [
        artifact
        for name in _OLD_TYPES
        for artifact in store.get_artifacts_by_type(name)
        if artifact.state == metadata_store_pb2.Artifact.LIVE
    ]
    for artifact in old:
        artifact.state = metadata_store_pb2.Artifact.DELETED
    if old:
        store.put_artifacts(old)
        _logger.info("Retired %d artifacts of an older version", len(old))
    return len(old)


def _state(
    connection: metadata_store_pb2.ConnectionConfig, execution: int | None
) -> State:
    if execution is None:
        return "skipped"
    with metadata.Metadata(connection) as handle:
        [found] = handle.store.get_executions_by_id([execution])
    return _STATES.get(found.last_known_state, "failed")
