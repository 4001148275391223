"""A request that came over HTTP."""

import array
import asyncio
import dataclasses
import json
import urllib.parse
from collections.abc import Mapping
from typing import Any

import grpc

from clickwright.schemas.experiment import Target
from clickwright.serving.router import units
from clickwright.serving.router.answer import Answer
from clickwright.serving.router.rest_servers import RestServers
from clickwright.serving.router.versions import Versions
from clickwright.serving.server.serving_error import ServingError


@dataclasses.dataclass(frozen=True, slots=True)
class RestReply:
    """What a model server answered over HTTP.

    Attributes:
        body: JSON.
        version: the version that was asked.
    """

    body: bytes
    version: int


class RestCall:
    """JSON that is sent on to another path; see `Call`.

    Args:
        spec: the model that the path names, a `ModelSpec`.
        method: `predict`, `classify` or `regress`.
        path: as it came.
        body: as it came.
        headers: sent on with it.
        servers: the model servers.
        versions: says which version answers for a target.
        max_scores: read of an answer at most.
    """

    def __init__(
        self,
        spec: Any,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        servers: RestServers,
        versions: Versions,
        max_scores: int,
    ) -> None:
        self._method = method
        self._path = path
        self._body = body
        self._headers = headers
        self._servers = servers
        self._versions = versions
        self._max_scores = max_scores
        self.api = f"REST {method.capitalize()}"
        self.model: str = spec.name
        self.label: str = spec.version_label
        self.version = spec.version.value if spec.HasField("version") else None
        self.exposed = True

    def unit(self, name: str) -> str | None:
        """Returns the unit's id in the named input; see `Call`."""
        try:
            body = json.loads(self._body)
        except (ValueError, RecursionError):
            raise ServingError(
                grpc.StatusCode.INVALID_ARGUMENT, "JSON Parse error"
            ) from None
        return units.of_json(body, name)

    async def send(self, target: Target | None, seconds: float) -> RestReply:
        """Asks a model server; see `Call`."""
        if target is None:
            return RestReply(await self._post(self._path, self.model, seconds), 0)
        try:
            async with asyncio.timeout(seconds):
                return await self._ask(target, seconds)
        except TimeoutError:
            raise ServingError(
                grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"
            ) from None

    def read(self, reply: RestReply) -> Answer:
        """Returns what a reply says; see `Call`."""
        try:
            said = json.loads(reply.body)
        except (ValueError, RecursionError):
            raise ServingError(
                grpc.StatusCode.INTERNAL, "The answer is no JSON."
            ) from None
        rows = _rows(said, self._method)
        if rows is None:
            return Answer(reply.version, 0)
        scores = None
        if 0 < len(rows) <= self._max_scores:
            found = [_score(row) for row in rows]
            if None not in found:
                scores = array.array("f", (x for x in found if x is not None))
        return Answer(reply.version, len(rows), scores)

    async def _ask(self, target: Target, seconds: float) -> RestReply:
        version = await self._versions.of(target, seconds)
        try:
            return await self._send(target, version, seconds)
        except ServingError as error:
            if error.code != grpc.StatusCode.NOT_FOUND:
                raise
            self._versions.forget(target)
            newer = await self._versions.of(target, seconds)
            if newer == version:
                raise
            return await self._send(target, newer, seconds)

    async def _send(self, target: Target, version: int, seconds: float) -> RestReply:
        name = urllib.parse.quote(target.model, safe="")
        path = f"/v1/models/{name}/versions/{version}:{self._method}"
        return RestReply(await self._post(path, target.model, seconds), version)

    async def _post(self, path: str, model: str, seconds: float) -> bytes:
        return await self._servers.ask(
            "POST", path, model, self._body, seconds, self._headers
        )


def _rows(said: Any, method: str) -> list[Any] | None:
    """The answers, one a row; None where there is no telling."""
    if not isinstance(said, dict):
        return None
    if method != "predict":
        rows = said.get("results")
    elif "predictions" in said:
        rows = said["predictions"]
    else:
        rows = said.get("outputs")
        if isinstance(rows, dict):
            rows = rows.get("probability")
    return rows if isinstance(rows, list) else None


def _score(row: Any) -> float | None:
    """The one score of a row: a number, `probability`, or a list of one of these."""
    if isinstance(row, list) and len(row) == 1:
        (row,) = row
    if isinstance(row, dict):
        row = row.get("probability")
        if isinstance(row, list) and len(row) == 1:
            (row,) = row
    if isinstance(row, bool) or not isinstance(row, int | float):
        return None
    return float(row)
