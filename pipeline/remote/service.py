"""What can run a compiled pipeline."""

from collections.abc import Mapping
from typing import Protocol

from clickwright.pipeline.remote.compiled import Value
from clickwright.pipeline.remote.remote_call import RemoteCall
from clickwright.pipeline.remote.remote_run import RemoteRun
from clickwright.pipeline.remote.run_state import RunState


class Service(Protocol):
    """Vertex AI or Kubeflow Pipelines, for one compiled pipeline.

    Every method but `call` asks the service; each raises ConfigError or MachineError
    where it refuses or does not answer.
    """

    def call(self, values: Mapping[str, Value], *, scheduled: bool) -> RemoteCall:
        """Writes the request; nothing is sent and no credentials are needed."""
        ...

    def start(self, call: RemoteCall) -> RemoteRun:
        """Sends the request."""
        ...

    def schedules(self) -> list[RemoteRun]:
        """The schedules of this pipeline that start runs."""
        ...

    def remove_schedule(self, schedule: RemoteRun) -> None:
        """Ends a schedule; its runs stay."""
        ...

    def state(self, run: RemoteRun) -> RunState:
        """How far a run has come."""
        ...
