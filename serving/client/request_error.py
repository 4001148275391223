"""A request that a model server did not answer."""

from collections.abc import Mapping
from typing import Any

import grpc

from clickwright.schemas.errors import ClickwrightError

_FIXES: Mapping[grpc.StatusCode, str] = {
    grpc.StatusCode.UNAVAILABLE: "start the server, or mend the address",
    grpc.StatusCode.DEADLINE_EXCEEDED: "raise `timeout`, or send fewer rows",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "send fewer rows at once, or raise the limits "
    "of the server and `max_message_bytes` of the client",
    grpc.StatusCode.NOT_FOUND: "ask for a model, version or label that is loaded",
}


class RequestError(ClickwrightError):
    """A request that a model server refused, or that did not reach it.

    Args:
        what: what the server says.
        where: its address, and the model.
        fix: what to do about it.
        code: gRPC's status.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        fix: str = "",
        code: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self.code = code

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self.what, self.where, self.fix, self.code)

    @classmethod
    def of(cls, error: grpc.RpcError | grpc.aio.AioRpcError, where: str) -> Any:
        """The error that gRPC's error stands for."""
        code = error.code()
        return cls(
            f"{code.name}: {error.details()}",
            where=where,
            fix=_FIXES.get(code, ""),
            code=code,
        )


def _rebuild(what: str, where: str, fix: str, code: grpc.StatusCode) -> RequestError:
    return RequestError(what, where=where, fix=fix, code=code)
