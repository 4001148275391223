"""A question over HTTP about a model: its status, or its metadata."""

import urllib.parse
from collections.abc import Mapping
from typing import Any

from clickwright.schemas.experiment import Target
from clickwright.serving.router.answer import Answer
from clickwright.serving.router.rest_call import RestReply
from clickwright.serving.router.rest_servers import RestServers


class RestQuestion:
    """A GET that is sent on to another path; see `Call`.

    Args:
        spec: the model that the path names, a `ModelSpec`.
        part: `metadata`, or empty for the status.
        path: as it came.
        headers: sent on with it.
        servers: the model servers.
    """

    def __init__(
        self,
        spec: Any,
        part: str,
        path: str,
        headers: Mapping[str, str],
        servers: RestServers,
    ) -> None:
        self._part = part
        self._path = path
        self._headers = headers
        self._servers = servers
        self.api = "REST GetModelMetadata" if part else "REST GetModelStatus"
        self.model: str = spec.name
        self.label: str = spec.version_label
        self.version = spec.version.value if spec.HasField("version") else None
        self.exposed = False

    def unit(self, name: str) -> str | None:
        """Returns None: nobody is answered."""
        return None

    async def send(self, target: Target | None, seconds: float) -> RestReply:
        """Asks a model server; see `Call`."""
        path, model = self._path, self.model
        if target is not None:
            path, model = self._addressed(target), target.model
        body = await self._servers.ask("GET", path, model, b"", seconds, self._headers)
        return RestReply(body, 0)

    def read(self, reply: RestReply) -> Answer:
        """Returns what a reply says; see `Call`."""
        return Answer(reply.version, 0)

    def _addressed(self, target: Target) -> str:
        path = f"/v1/models/{urllib.parse.quote(target.model, safe='')}"
        if not self._part:  # all versions
            return path
        if target.label is not None:
            path += f"/labels/{urllib.parse.quote(target.label, safe='')}"
        elif target.version is not None:
            path += f"/versions/{target.version}"
        return f"{path}/{self._part}"
