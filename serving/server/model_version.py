"""One version of a model in a model server, from its start to its end."""

import asyncio
import dataclasses
import pathlib
from typing import Any

import grpc
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus

from clickwright.serving.server.servable import Servable
from clickwright.serving.server.serving_error import ServingError

START = ModelVersionStatus.START
LOADING = ModelVersionStatus.LOADING
AVAILABLE = ModelVersionStatus.AVAILABLE
UNLOADING = ModelVersionStatus.UNLOADING
END = ModelVersionStatus.END


@dataclasses.dataclass(eq=False)
class ModelVersion:
    """What the manager knows of a version."""

    model: str
    number: int
    folder: pathlib.Path
    state: Any = START
    """A `ModelVersionStatus.State`."""
    error: ServingError | None = None
    """Why the last try to load it failed."""
    servable: Servable | None = None
    """While it is loading, available or unloading."""
    tries: int = 0
    """How often loading failed since its files changed."""
    next_try: float = 0.0
    """When a failed one is tried again, in seconds of the event loop's clock."""
    files: object = None
    """What its files looked like before the last try."""
    leases: int = 0
    """Requests that hold it."""
    released: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    """Set when the last lease of a version that is unloading ends."""
    task: asyncio.Task[None] | None = None
    """Loads or unloads it."""

    @property
    def failed(self) -> bool:
        """Whether it ended because it could not be loaded."""
        return self.state == END and self.error is not None

    def status(self) -> ModelVersionStatus:
        """Returns the answer of `GetModelStatus`."""
        found = ModelVersionStatus(version=self.number, state=self.state)
        if self.error is not None:
            found.status.error_code = self.error.code.value[0]
            found.status.error_message = self.error.message
        else:
            found.status.error_code = grpc.StatusCode.OK.value[0]
        return found
