"""Requests through a router while it, its server and an arm are killed."""

import asyncio
import contextlib
import dataclasses
import pathlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import duckdb
import grpc
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from clickwright.experiments.events.event_store import EventStore

_METHOD = "/tensorflow.serving.PredictionService/Predict"
_UNITS = 5_000
_PATIENCE = 180.0
_PAUSE = 0.05


class Program:
    """A server that is killed and started again, at the same address.

    Args:
        command: without the flags of its ports.
        log: file for what it says.

    Attributes:
        grpc: its gRPC address.
        rest: its HTTP address.
    """

    def __init__(self, command: Sequence[str], log: pathlib.Path) -> None:
        with socket.socket() as one, socket.socket() as other:
            for free in (one, other):
                free.bind(("127.0.0.1", 0))
            ports = [free.getsockname()[1] for free in (one, other)]
        self.grpc, self.rest = (f"127.0.0.1:{port}" for port in ports)
        self._command = [
            *command,
            f"--port={ports[0]}",
            f"--rest_api_port={ports[1]}",
        ]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, and waits until it listens."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, stdout=output, stderr=subprocess.STDOUT
            )
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.socket() as probe:
                host, _, port = self.rest.partition(":")
                probe.connect((host, int(port)))
                return
            time.sleep(0.1)
        said = self._log.read_text(errors="replace")[-1000:]
        raise RuntimeError(f"{self._command} does not listen: {said}")

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends it."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def cpu_seconds(self) -> float:
        """Time that the processor has spent on it."""
        if self._process is None:
            return 0.0
        import psutil

        spent = psutil.Process(self._process.pid).cpu_times()
        return float(spent.user + spent.system)

    def kill_and_start(self) -> None:
        """Ends it without a warning, and starts it again."""
        self.end(signal.SIGKILL)
        self.start()


def router_command(
    experiments: pathlib.Path, log: pathlib.Path, *flags: str
) -> list[str]:
    """A router, without its ports."""
    return [
        *(sys.executable, "-m", "clickwright.pipeline.cli", "route"),
        f"--experiments={experiments}",
        f"--log={log}",
        *flags,
    ]


@contextlib.contextmanager
def running(*programs: Program) -> Iterator[None]:
    """Programs that are started in order, and ended in the other."""
    with contextlib.ExitStack() as stack:
        for program in programs:
            stack.callback(program.end)
            program.start()
        yield


@dataclasses.dataclass(frozen=True)
class Kept:
    """What came of the requests.

    Attributes:
        requests: that were to be answered.
        answered: that were.
        attempts: how often they were sent.
        missing: answers without an exposure.
        more: exposures more than one of an answer.
        unanswered: exposures of requests that were not answered.
        repeated: records that reading leaves out, for an id that was sent again.
        fallbacks: answers of control in place of an arm.
        seconds: from the first request to the last answer.
    """

    requests: int
    answered: int
    attempts: int
    missing: int
    more: int
    unanswered: int
    repeated: int
    fallbacks: int
    seconds: float


def send_and_kill(
    address: str,
    log: pathlib.Path,
    requests: Sequence[PredictRequest],
    count: int,
    callers: int,
    kills: Sequence[Callable[[], None]],
) -> Kept:
    """Sends requests until each is answered, and kills on the way.

    Args:
        address: the router's.
        log: the router's.
        requests: what is asked, over and over.
        count: requests.
        callers: under way at a time.
        kills: each done once, spread evenly over the requests.
    """
    payloads = [request.SerializeToString() for request in requests]
    start = time.monotonic()
    answered, attempts = asyncio.run(_send(address, payloads, count, callers, kills))
    seconds = time.monotonic() - start
    with duckdb.connect() as connection:
        rows, repeated = EventStore(log).relation_and_repeats(connection)
        found: list[tuple[str, Any]] = rows.project("request_id, failure").fetchall()
    ids = [request_id for request_id, _ in found]
    return Kept(
        requests=count,
        answered=len(answered),
        attempts=attempts,
        missing=len(answered.difference(ids)),
        more=len(ids) - len(set(ids)),
        unanswered=len(set(ids) - answered),
        repeated=repeated,
        fallbacks=sum(failure is not None for _, failure in found),
        seconds=seconds,
    )


async def _send(
    address: str,
    payloads: Sequence[bytes],
    count: int,
    callers: int,
    kills: Sequence[Callable[[], None]],
) -> tuple[set[str], int]:
    answered: set[str] = set()
    attempts = 0
    numbers = iter(range(count))

    async def caller() -> None:
        nonlocal attempts
        for number in numbers:
            request_id = f"request-{number}"
            metadata = [
                ("x-request-id", request_id),
                ("x-unit-id", f"user {number % _UNITS}"),
            ]
            until = time.monotonic() + _PATIENCE
            while time.monotonic() < until:
                attempts += 1
                try:
                    await predict(
                        payloads[number % len(payloads)], timeout=10, metadata=metadata
                    )
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(_PAUSE)
                else:
                    answered.add(request_id)
                    break

    async def killer() -> None:
        for place, kill in enumerate(kills, 1):
            while len(answered) < count * place / (len(kills) + 1):
                await asyncio.sleep(0.01)
            await asyncio.to_thread(kill)

    options = [("grpc.max_reconnect_backoff_ms", 200), ("grpc.enable_retries", 0)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        predict = channel.unary_unary(_METHOD)
        await asyncio.gather(killer(), *(caller() for _ in range(callers)))
    return answered, attempts
