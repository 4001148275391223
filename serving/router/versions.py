"""Which version answers for a target, where an answer does not say so."""

import asyncio
import time

import grpc
from google.protobuf.message import DecodeError

from clickwright.schemas.experiment import Target
from clickwright.serving.router import messages
from clickwright.serving.router.methods import METADATA
from clickwright.serving.router.upstreams import Upstreams
from clickwright.serving.server.serving_error import ServingError

_SECONDS = 1.0
_FIELD = b"\x12\x0dsignature_def"
"""`metadata_field`, which a request for metadata must name."""


class Versions:
    """Asks the model servers by gRPC, once a second for a target at most.

    REST answers do not name their version. A request that is sent to the number found
    here is answered by that version or not at all, so the exposure is true.

    Args:
        upstreams: the model servers.
    """

    def __init__(self, upstreams: Upstreams) -> None:
        self._upstreams = upstreams
        self._known: dict[Target, tuple[float, asyncio.Task[int]]] = {}

    async def of(self, target: Target, seconds: float) -> int:
        """Returns the version that answers for a target.

        Args:
            target: the model, with a label or without.
            seconds: at most.

        Raises:
            ServingError: there is none, or the server does not say.
        """
        if target.version is not None:
            return target.version
        now = time.monotonic()
        asked, task = self._known.get(target, (0.0, None))
        if task is None or now - asked > _SECONDS or _failed(task):
            task = asyncio.create_task(self._ask(target))
            task.add_done_callback(_failed)  # even where nobody waits any more
            self._known[target] = now, task
        try:
            # Others may wait for the same answer: one that gives up does not end it.
            return await asyncio.wait_for(asyncio.shield(task), seconds)
        except TimeoutError:
            raise ServingError(
                grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"
            ) from None

    def forget(self, target: Target) -> None:
        """Asks anew when the target is needed next: its version may be gone."""
        self._known.pop(target, None)

    async def _ask(self, target: Target) -> int:
        request = messages.Request()
        request.model_spec.name = target.model
        if target.label is not None:
            request.model_spec.version_label = target.label
        raw = request.SerializeToString() + _FIELD
        reply = await self._upstreams.ask(METADATA.path, target.model, raw, 5.0, [])
        try:
            version: int = messages.Answer.FromString(reply).model_spec.version.value
        except DecodeError as error:
            raise ServingError(
                grpc.StatusCode.INTERNAL, f"The answer cannot be read. {error}"
            ) from None
        return version


def _failed(task: asyncio.Task[int]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
