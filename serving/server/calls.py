"""What all calls have in common, whichever way they come."""

import logging
import time
from collections.abc import Awaitable
from typing import TypeVar

import grpc
from tensorflow_serving.apis import model_pb2

from clickwright.serving.server.metrics import Metrics
from clickwright.serving.server.serving_error import ServingError

_T = TypeVar("_T")
_MAX_MESSAGE = 1024  # characters, as in TensorFlow Serving

log = logging.getLogger(__name__)


class Calls:
    """Counts and times calls, and turns what they raise into answers.

    Args:
        metrics: where they are counted.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def answer(
        self,
        call: Awaitable[_T],
        context: grpc.aio.ServicerContext,
        api: str = "",
        spec: model_pb2.ModelSpec | None = None,
    ) -> _T:
        """Awaits a gRPC call; an error ends it with its code and message.

        Args:
            call: what answers.
            context: of the call.
            api: its name in the metrics; empty: it is not counted.
            spec: the model asked for.
        """
        try:
            if spec is None:
                return await guarded(call)
            return await self.counted(call, api, "GRPC", spec.name)
        except ServingError as error:
            return await context.abort(error.code, shortened(error.message))

    async def counted(
        self, call: Awaitable[_T], api: str, entrypoint: str, model: str
    ) -> _T:
        """Awaits a call, times it and counts it by its outcome.

        Raises:
            ServingError: the call failed, in whatever way.
        """
        start = time.perf_counter()
        status = "OK"
        try:
            return await guarded(call)
        except ServingError as error:
            status = error.code.name
            if error.code == grpc.StatusCode.NOT_FOUND:
                model = ""  # clients may ask for any name; only models' are kept
            raise
        finally:
            passed = (time.perf_counter() - start) * 1e6
            self._metrics.request(model, status, passed, api, entrypoint)


async def guarded(call: Awaitable[_T]) -> _T:
    """Awaits a call; a defect is logged, and the client learns no more of it.

    Raises:
        ServingError: the call failed.
    """
    try:
        return await call
    except ServingError:
        raise
    except Exception as error:
        log.exception("A request failed in an unforeseen way")
        raise ServingError(
            grpc.StatusCode.INTERNAL,
            f"The server failed on this request ({type(error).__name__}).",
        ) from error


def shortened(message: str) -> str:
    """Returns a message as long as TensorFlow Serving lets one be."""
    if len(message) <= _MAX_MESSAGE:
        return message
    return message[:_MAX_MESSAGE] + "...TRUNCATED"
