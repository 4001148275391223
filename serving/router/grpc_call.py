"""A request that came over gRPC."""

import grpc
from google.protobuf.message import DecodeError

from clickwright.schemas.experiment import Target
from clickwright.serving.router import messages, units
from clickwright.serving.router.answer import Answer
from clickwright.serving.router.methods import PREDICT, Method, parsed
from clickwright.serving.router.upstreams import Upstreams
from clickwright.serving.server.serving_error import ServingError


class GrpcCall:
    """Bytes that are addressed anew and sent on; see `Call`.

    Args:
        method: what is called.
        raw: the request.
        metadata: sent on with it.
        upstreams: the model servers.
        max_scores: read of an answer at most.

    Raises:
        ServingError: the bytes are no request of the method.
    """

    def __init__(
        self,
        method: Method,
        raw: bytes,
        metadata: list[tuple[str, str]],
        upstreams: Upstreams,
        max_scores: int,
    ) -> None:
        self._method = method
        self._raw = raw
        self._metadata = metadata
        self._upstreams = upstreams
        self._max_scores = max_scores
        self._request = parsed(method.request, raw)
        self._specs = method.specs(self._request)
        spec = self._specs[0] if self._specs else messages.Request().model_spec
        self.api = method.name
        self.model: str = spec.name
        self.label: str = spec.version_label
        self.version = spec.version.value if spec.HasField("version") else None
        self.exposed = method.read is not None

    def unit(self, name: str) -> str | None:
        """Returns the unit's id in the named input; see `Call`."""
        if self._method is not PREDICT:
            return None  # Examples have no inputs with names
        inputs = parsed(messages.PredictInputs, self._raw).inputs
        return units.of_tensor(inputs[name]) if name in inputs else None

    async def send(self, target: Target | None, seconds: float) -> bytes:
        """Asks a model server; see `Call`."""
        request, model = self._raw, self.model
        if target is not None:
            request, model = self._addressed(target), target.model
        return await self._upstreams.ask(
            self._method.path, model, request, seconds, self._metadata
        )

    def read(self, reply: bytes) -> Answer:
        """Returns what a reply says; see `Call`."""
        if self._method.read is None:
            return Answer(0, 0)
        try:
            return self._method.read(reply, self._max_scores)
        except DecodeError as error:
            raise ServingError(
                grpc.StatusCode.INTERNAL, f"The answer cannot be read. {error}"
            ) from None

    def _addressed(self, target: Target) -> bytes:
        for spec in self._specs:
            spec.name = target.model
            if self._method.by_name:
                continue
            spec.ClearField("version_choice")
            if target.label is not None:
                spec.version_label = target.label
            elif target.version is not None:
                spec.version.value = target.version
        raw: bytes = self._request.SerializeToString()
        return raw
