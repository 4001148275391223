"""An HTTP server of the tests that stands in for a service, and what it was asked."""

import contextlib
import dataclasses
import email.message
import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: email.message.Message
    body: Any
    """Its JSON; text where it is none; None where there is no body."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """What is sent back; content that is no text goes as JSON."""

    content: Any = dataclasses.field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


class FakeService:
    """Answers on a port of the loopback address until its context ends.

    Attributes:
        asked: every request, in order.
        url: its address.
    """

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.url = ""

    def answer(self, asked: Asked) -> Answer:
        """What the service says."""
        raise NotImplementedError

    def calls(self, method: str, end: str = "") -> list[Asked]:
        """The requests of one method to paths with this end."""
        return [a for a in self.asked if a.method == method and a.path.endswith(end)]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Answers inside."""
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                with contextlib.suppress(ConnectionError):
                    super().handle_one_request()

            def _do(self) -> None:
                parts = urllib.parse.urlsplit(self.path)
                data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                body: Any = data.decode()
                with contextlib.suppress(ValueError):
                    body = json.loads(body)
                asked = Asked(
                    method=self.command,
                    path=parts.path,
                    query=dict(urllib.parse.parse_qsl(parts.query)),
                    headers=self.headers,
                    body=body or None,
                )
                service.asked.append(asked)
                answer = service.answer(asked)
                is_text = isinstance(answer.content, str)
                text = answer.content if is_text else json.dumps(answer.content)
                kind = "text/html" if is_text else "application/json"
                self.send_response(answer.status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text.encode())))
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(text.encode())

            do_GET = do_POST = do_HEAD = do_DELETE = _do  # noqa: N815

            def log_message(self, *_: Any) -> None:
                """Nothing: the requests are kept."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
