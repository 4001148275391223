"""The HTTP side of the model servers behind a router."""

import json
from collections.abc import Mapping

import aiohttp
import grpc

from clickwright.serving.router.options import RouterOptions
from clickwright.serving.server.rest_paths import STATUS
from clickwright.serving.server.serving_error import ServingError

_CODES = {
    **{status: code for code, status in reversed(STATUS.items())},
    412: grpc.StatusCode.FAILED_PRECONDITION,  # TF Serving: labels without a version
    500: grpc.StatusCode.INTERNAL,
}
_JSON = "application/json"


class RestServers:
    """The HTTP side of the model servers.

    Made where the event loop runs.

    Args:
        options: says where the servers are.
    """

    def __init__(self, options: RouterOptions) -> None:
        self._default = options.rest_server
        self._of_model = dict(options.model_rest_servers)
        self._max_bytes = options.max_message_bytes
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, use_dns_cache=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    async def ask(
        self,
        verb: str,
        path: str,
        model: str,
        body: bytes,
        seconds: float,
        headers: Mapping[str, str],
    ) -> bytes:
        """Asks the server that has a model, and returns its answer.

        Args:
            verb: HTTP's method.
            path: on that server.
            model: the model's name.
            body: JSON.
            seconds: at most.
            headers: sent with it.

        Raises:
            ServingError: the server refused, failed, or took too long.
        """
        place = self._of_model.get(model, self._default)
        try:
            async with self._session.request(
                verb,
                f"http://{place}{path}",
                data=body or None,
                headers={"Content-Type": _JSON, **headers},
                timeout=aiohttp.ClientTimeout(total=seconds),
                allow_redirects=False,
            ) as response:
                answer = await self._read(response)
                status = response.status
        except TimeoutError:
            raise ServingError(
                grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"
            ) from None
        except aiohttp.ClientError as error:
            raise ServingError(
                grpc.StatusCode.UNAVAILABLE,
                f"The model server cannot be reached ({type(error).__name__}).",
            ) from None
        if status != 200:
            code = _CODES.get(status, grpc.StatusCode.UNKNOWN)
            raise ServingError(code, _said(answer, status))
        return answer

    async def close(self) -> None:
        """Closes the connections."""
        await self._session.close()

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        found = bytearray()
        async for chunk in response.content.iter_any():
            found += chunk
            if len(found) > self._max_bytes:
                raise ServingError(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"The answer has more than {self._max_bytes} bytes "
                    "(--max_message_bytes)",
                )
        return bytes(found)


def _said(answer: bytes, status: int) -> str:
    """The words of an error."""
    try:
        return str(json.loads(answer)["error"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return f"The model server answered with HTTP {status}."
