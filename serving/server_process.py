"""A model server in a process of its own."""

import logging
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Self

import grpc
import psutil
from tensorflow_serving.apis.get_model_status_pb2 import (
    GetModelStatusRequest,
    GetModelStatusResponse,
    ModelVersionStatus,
)
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.config.model_server_config_pb2 import (
    ModelConfig,
    ModelServerConfig,
)

from clickwright.schemas.errors import DataError, MachineError
from clickwright.serving.server.model_config import (
    PLATFORM,
    read_model_config,
    write_model_config,
)

PROGRAM_VARIABLE = "CLICKWRIGHT_MODEL_SERVER"
"""Environment variable with the path of a model server that takes TF Serving's flags;
without it, `tensorflow_model_server` is taken where it is installed, else our own."""
REAL_SERVER = "tensorflow_model_server"

_KEEPER = """
import subprocess, sys, threading
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
def watch():
    sys.stdin.read()
    server.terminate()
threading.Thread(target=watch, daemon=True).start()
code = server.wait()
sys.exit(code if code >= 0 else 128 - code)
"""
"""Ends the server when this process ends, however it ends: its input is then closed."""

_GRACE = 10.0
_POLL = 0.1
_LAST_LINES = 5

log = logging.getLogger(__name__)


def server_command() -> tuple[str, ...]:
    """The model server of this machine, without its flags."""
    chosen = os.environ.get(PROGRAM_VARIABLE) or shutil.which(REAL_SERVER)
    if chosen:
        return (chosen,)
    return (sys.executable, "-m", "clickwright.pipeline.cli", "serve")


class ServerProcess:
    """Serves models from folders for as long as the context lasts.

    Args:
        models: base path, a folder of versions, by name: the newest version is served;
            or a server's config file, which is followed as it changes.
        ready_seconds: how long a model may take until it can be asked.
        command: the server, without its flags.

    Attributes:
        grpc: its gRPC address, `host:port`.
        rest: its REST address.
    """

    def __init__(
        self,
        models: Mapping[str, pathlib.Path] | pathlib.Path,
        ready_seconds: float = 300.0,
        command: Sequence[str] | None = None,
    ) -> None:
        self._file = models.absolute() if isinstance(models, pathlib.Path) else None
        self._config = (
            _written(models)
            if isinstance(models, Mapping)
            else read_model_config(models)
        )
        self._ready_seconds = ready_seconds
        self._command = tuple(command or server_command())
        # Both are taken while both are free, so that they differ.
        with socket.socket() as one, socket.socket() as other:
            for free in (one, other):
                free.bind(("127.0.0.1", 0))
            ports = [free.getsockname()[1] for free in (one, other)]
        self.grpc, self.rest = (f"127.0.0.1:{port}" for port in ports)
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="clickwright-server-")
        try:
            self._start(pathlib.Path(self._folder.name))
            for model in self._config.model_config_list.config:
                self._wait(model)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def program(self) -> str:
        """What serves, as a person would call it."""
        ours = self._command[0] == sys.executable
        return "clickwright serve" if ours else pathlib.Path(self._command[0]).name

    def memory(self) -> int:
        """Resident memory of the server, in bytes."""
        _, *servers = self._family()
        return sum(int(server.memory_info().rss) for server in servers)

    def stop(self) -> None:
        """Ends the server, gently at first."""
        if self._process is not None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            try:
                self._process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                log.warning("%s does not end by itself and is killed", self.program)
                for member in self._family():
                    member.kill()
                self._process.wait()
            self._process = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _family(self) -> list[psutil.Process]:
        """The process that keeps the server, then the server and what it started."""
        if self._process is None:
            return []
        keeper = psutil.Process(self._process.pid)
        return [keeper, *keeper.children(recursive=True)]

    def _start(self, folder: pathlib.Path) -> None:
        file = self._file or folder / "models.config"
        if self._file is None:
            write_model_config(file, self._config)
        flags = (
            f"--port={self.grpc.rpartition(':')[2]}",
            f"--rest_api_port={self.rest.rpartition(':')[2]}",
            f"--model_config_file={file}",
            "--max_num_load_retries=0",  # what fails is said at once
            "--model_config_file_poll_wait_seconds=1",
            "--allow_version_labels_for_unavailable_models=true",  # at the start
        )
        if shutil.which(self._command[0]) is None:
            raise MachineError(
                f"There is no such program. Received: {self._command[0]}.",
                where=PROGRAM_VARIABLE,
                fix="give the path of a model server, or unset the variable",
            )
        self._log = folder / "log.txt"
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-c", _KEEPER, *self._command, *flags],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _wait(self, model: ModelConfig) -> None:
        """Returns once the model can be asked.

        Raises:
            DataError: the model cannot be loaded, or not in time, or ends the server.
        """
        request = GetModelStatusRequest()
        request.model_spec.name = model.name
        until = time.monotonic() + self._ready_seconds
        no_proxy = [("grpc.enable_http_proxy", 0)]  # it would not know this machine
        with grpc.insecure_channel(self.grpc, options=no_proxy) as channel:
            status = ModelServiceStub(channel).GetModelStatus
            while time.monotonic() < until:
                if self._process is not None and self._process.poll() is not None:
                    raise DataError(
                        f"The model server ended with code {self._process.returncode}: "
                        f"{self._said()}",
                        where=self.program,
                        fix="mend what it says",
                    )
                if self._ready(status, request, model):
                    return
                time.sleep(_POLL)
        raise DataError(
            f"The model cannot be asked after {self._ready_seconds:g} s. The server "
            f"said: {self._said()}",
            where=model.base_path,
            fix="give it more time, or make the model smaller",
        )

    def _ready(
        self,
        status: "grpc.UnaryUnaryMultiCallable[object, GetModelStatusResponse]",
        request: GetModelStatusRequest,
        model: ModelConfig,
    ) -> bool:
        try:
            found = status(request, timeout=5.0).model_version_status
        except grpc.RpcError:
            return False
        available = {
            v.version for v in found if v.state == ModelVersionStatus.AVAILABLE
        }
        if available.issuperset(model.model_version_policy.specific.versions):
            return bool(available)
        for version in found:
            if version.state == ModelVersionStatus.END and version.status.error_code:
                raise DataError(
                    f"The model cannot be loaded: {version.status.error_message}",
                    where=model.base_path,
                    fix="export the model again",
                )
        return False

    def _said(self) -> str:
        lines = self._log.read_text(errors="replace").split("\n")
        return " | ".join([x.strip() for x in lines if x.strip()][-_LAST_LINES:])[-800:]


def _written(models: Mapping[str, pathlib.Path]) -> ModelServerConfig:
    config = ModelServerConfig()
    for name, path in models.items():
        config.model_config_list.config.add(
            name=name, base_path=str(path.absolute()), model_platform=PLATFORM
        )
    return config
