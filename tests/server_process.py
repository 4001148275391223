"""A model server in a process of its own, as its users run it."""

import contextlib
import dataclasses
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping

import grpc
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from clickwright.serving.server_process import server_command

START_SECONDS = 180
"""TensorFlow alone takes a while to import on a busy machine."""


@dataclasses.dataclass
class RunningServer:
    """Where a server answers, and the process that it is."""

    grpc_port: int
    rest_port: int
    process: subprocess.Popen[bytes]
    log: pathlib.Path
    """What it wrote on both of its outputs."""

    @property
    def grpc_address(self) -> str:
        """For a gRPC channel."""
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def rest_url(self) -> str:
        """Without a slash at its end."""
        return f"http://127.0.0.1:{self.rest_port}"


def ours() -> bool:
    """Whether it is this product's server that is tested."""
    return server_command()[0] == sys.executable


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nothing listens on."""
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in made:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in made]


@contextlib.contextmanager
def server_process(
    *flags: str,
    wait: bool = True,
    ports: tuple[int, int] | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[RunningServer]:
    """Starts a server, waits until it answers, and ends it.

    Args:
        flags: TF Serving's, such as `--model_config_file=models.config`.
        wait: whether to wait for its first answer.
        ports: for gRPC and HTTP; free ones if not given.
        env: added to the environment.

    Raises:
        RuntimeError: it ended, or did not answer in time; with what it wrote.
    """
    grpc_port, rest_port = ports or free_ports(2)
    with tempfile.NamedTemporaryFile(prefix="server-", suffix=".log") as log:
        process = subprocess.Popen(
            [
                *server_command(),
                f"--port={grpc_port}",
                f"--rest_api_port={rest_port}",
                *flags,
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "1", **(env or {})},
        )
        server = RunningServer(grpc_port, rest_port, process, pathlib.Path(log.name))
        try:
            if wait:
                wait_until_ready(server)
            yield server
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def wait_until_ready(server: RunningServer, seconds: float = START_SECONDS) -> None:
    """Waits until a server answers over gRPC.

    Raises:
        RuntimeError: it ended, or did not answer in time; with what it wrote.
    """
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "no_model_has_this_name"
    end = time.monotonic() + seconds
    with grpc.insecure_channel(
        server.grpc_address,
        # A refused connection is tried again soon.
        options=[("grpc.max_reconnect_backoff_ms", 200)],
    ) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        while time.monotonic() < end and server.process.poll() is None:
            try:
                stub.Predict(request, timeout=1)
            except grpc.RpcError as error:
                # It knows models, and this one it does not know.
                if "Servable" in (error.details() or ""):
                    return
            time.sleep(0.05)
    raise RuntimeError(
        f"The server is not ready (exit code {server.process.poll()}):\n"
        + server.log.read_text(errors="replace")[-4000:]
    )
