"""The models of a server: which versions there are, and who may use them."""

import asyncio
import concurrent.futures
import contextlib
import logging
import os
import pathlib
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import grpc
import numpy as np
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from clickwright.schemas.errors import ConfigError
from clickwright.serving.server import model_config, version_files, version_policy
from clickwright.serving.server.batcher import Batcher
from clickwright.serving.server.batching_params import BatchingParams
from clickwright.serving.server.metrics import Metrics
from clickwright.serving.server.model_version import (
    AVAILABLE,
    END,
    LOADING,
    START,
    UNLOADING,
    ModelVersion,
)
from clickwright.serving.server.servable import Servable
from clickwright.serving.server.serving_error import ServingError

log = logging.getLogger(__name__)
progress = logging.getLogger("clickwright.progress")


_LOAD_NICENESS = 5
"""Of threads that load: requests get about three times their share of a processor."""


def _give_way() -> None:
    """Makes this thread one that waits when requests want its processor."""
    with contextlib.suppress(OSError):  # some containers refuse it
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOAD_NICENESS)


class ModelManager:
    """Loads, serves and unloads versions of models as a `ModelServerConfig` says.

    A new version takes traffic once it is loaded and warm; the one before it is
    unloaded after that, when no request holds it any more. A version that does not
    load is tried again, at once when its files change, and the one before it stays. A
    version whose folder is deleted is unloaded once another one is there.

    All methods belong to the thread of the event loop that awaited `start`.

    Args:
        batching: batch requests so; None: each runs for itself.
        metrics: told of runs, loads and warm-ups.
        file_system_poll_wait_seconds: how often the base paths are looked at.
        max_num_load_retries: how often a version that failed is tried again while
            its files stay as they are.
        load_retry_interval_micros: how long it waits before each, in microseconds.
        allow_version_labels_for_unavailable_models: whether a label may name a
            version that is not loaded.
        fail_if_no_model_versions_found: whether `start` refuses a model without
            versions; otherwise the server waits for them.
        enable_model_warmup: whether warm-up requests are run.
        threads: requests that run at the same time when they are not batched.
        inter_op_threads: operations of a version that run at the same time; 0: one a
            core.
    """

    def __init__(
        self,
        *,
        batching: BatchingParams | None = None,
        metrics: Metrics | None = None,
        file_system_poll_wait_seconds: float = 1.0,
        max_num_load_retries: int = 5,
        load_retry_interval_micros: int = 60_000_000,
        allow_version_labels_for_unavailable_models: bool = False,
        fail_if_no_model_versions_found: bool = False,
        enable_model_warmup: bool = True,
        threads: int | None = None,
        inter_op_threads: int = 0,
    ) -> None:
        self.metrics = metrics or Metrics()
        self.config_error = ""
        """Why the newest config file of `watch` is refused; empty: it is not."""
        self._batcher = Batcher(batching, self.metrics) if batching else None
        self._poll_seconds = file_system_poll_wait_seconds
        self._retries = max_num_load_retries
        self._retry_seconds = load_retry_interval_micros / 1e6
        self._allow_any_label = allow_version_labels_for_unavailable_models
        self._fail_if_none = fail_if_no_model_versions_found
        self._warm = enable_model_warmup
        self._inter_op_threads = inter_op_threads
        cores = os.cpu_count() or 1
        self._threads = concurrent.futures.ThreadPoolExecutor(
            threads or max(4, 2 * cores), thread_name_prefix="run"
        )
        self._loaders = concurrent.futures.ThreadPoolExecutor(
            min(4, cores), thread_name_prefix="load", initializer=_give_way
        )
        self._config = ModelServerConfig()
        self._candidate: ModelServerConfig | None = None
        self._labels: dict[str, dict[str, int]] = {}
        self._versions: dict[str, dict[int, ModelVersion]] = {}
        self._found: dict[tuple[str, str], dict[int, pathlib.Path]] = {}
        self._unlisted: set[str] = set()
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    @property
    def config(self) -> ModelServerConfig:
        """The config that is served; a copy."""
        copy = ModelServerConfig()
        copy.CopyFrom(self._config)
        return copy

    async def start(self, config: ModelServerConfig) -> None:
        """Loads what the config asks for, then keeps looking for new versions.

        Raises:
            ServingError: the config breaks a rule; a model has versions and none of
                them loads; a label names a version that is not loaded.
        """
        await self.reload(config)
        if self._poll_seconds > 0:
            self._spawn(self._poll())

    async def reload(self, config: ModelServerConfig) -> None:
        """Goes over to another config, after all that it needs is loaded.

        Raises:
            ServingError: as `start`; all that was served is served as before.
        """
        model_config.check(config)
        async with self._changing:
            self._candidate = config
            try:
                await self._scan()
                await self._settle(config)
                self._check_available(config)
                labels = self._checked_labels(config)
            except BaseException:
                self._candidate = None
                self._reconcile()
                raise
            self._candidate = None
            self._config = ModelServerConfig()
            self._config.CopyFrom(config)
            self._labels = labels
            self._reconcile()

    def watch(self, path: pathlib.Path, seconds: float) -> None:
        """Reads a config file over and over, and goes over to what it says.

        A file that is refused is reported, and what was served stays. It is tried
        again, for what it needs may come.

        Args:
            path: the file.
            seconds: how often it is read.
        """
        self._spawn(self._watch(path, seconds))

    @contextlib.contextmanager
    def lease(self, model_spec: ModelSpec) -> Iterator[Servable]:
        """Gives a loaded version, and keeps it loaded until it is given back.

        Args:
            model_spec: the model; its version, a label, or neither for the latest.

        Raises:
            ServingError: there is no such model, version or label.
        """
        version = self._resolve(model_spec)
        servable = version.servable
        if servable is None:
            raise AssertionError(f"{version} is available and has no servable")
        version.leases += 1
        try:
            yield servable
        finally:
            version.leases -= 1
            if not version.leases:
                version.released.set()

    def status(self, model_spec: ModelSpec) -> list[ModelVersionStatus]:
        """Returns the state of a model's versions, the newest first.

        Args:
            model_spec: the model, and if only one version is asked for, that or its
                label.

        Raises:
            ServingError: there is none.
        """
        versions = self._versions.get(model_spec.name, {})
        choice = model_spec.WhichOneof("version_choice")
        if choice is not None:
            number = self._number(model_spec)
            if number not in versions:
                raise ServingError(
                    grpc.StatusCode.NOT_FOUND,
                    f"Could not find version {number} of model {model_spec.name}",
                )
            return [versions[number].status()]
        if not versions:
            raise ServingError(
                grpc.StatusCode.NOT_FOUND,
                f"Could not find any versions of model {model_spec.name}",
            )
        return [versions[number].status() for number in sorted(versions, reverse=True)]

    def ready(self) -> bool:
        """Returns whether every model of the config has a version that answers."""
        return not self._closing and all(
            self._available(name) for name in model_config.models(self._config)
        )

    async def run(
        self,
        servable: Servable,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Collection[str] = (),
    ) -> dict[str, np.ndarray]:
        """Runs a signature of a leased servable; see `Servable.run`.

        Raises:
            ServingError: as `Servable.run`; with batching also as `Batcher.run`.
        """
        start = time.perf_counter()
        try:
            batcher = self._batcher
            if batcher is not None and batcher.takes(servable, signature, inputs):
                return await batcher.run(servable, signature, inputs, outputs)
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, servable.run, signature, inputs, outputs
            )
        finally:
            self.metrics.run(servable.name, (time.perf_counter() - start) * 1e6)

    async def close(self) -> None:
        """Stops looking, waits for the requests that run, and unloads all."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        versions = [v for held in self._versions.values() for v in held.values()]
        # A load in a thread cannot be stopped, and `Servable.close` waits for runs.
        await asyncio.gather(
            *(v.task for v in versions if v.task is not None), return_exceptions=True
        )
        for version in versions:
            if version.state == AVAILABLE:
                self._unload(version)
        await asyncio.gather(
            *(v.task for v in versions if v.task is not None), return_exceptions=True
        )
        if self._batcher is not None:
            await self._batcher.close()
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self._loaders.shutdown)

    # Who may use what.

    def _resolve(self, spec: ModelSpec) -> ModelVersion:
        if not spec.name:
            raise ServingError(
                grpc.StatusCode.INVALID_ARGUMENT, "ModelSpec has no name specified."
            )
        available = self._available(spec.name)
        if spec.WhichOneof("version_choice") is None:
            if not available:
                raise ServingError(
                    grpc.StatusCode.NOT_FOUND,
                    f"Servable not found for request: Latest({spec.name})",
                )
            return available[max(available)]
        number = self._number(spec)
        if number not in available:
            raise ServingError(
                grpc.StatusCode.NOT_FOUND,
                f"Servable not found for request: Specific({spec.name}, {number})",
            )
        return available[number]

    def _number(self, spec: ModelSpec) -> int:
        """The version that a spec with a version or a label means."""
        if spec.WhichOneof("version_choice") == "version":
            return int(spec.version.value)
        try:
            return self._labels[spec.name][spec.version_label]
        except KeyError as error:
            raise ServingError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"Unrecognized servable version label: {spec.version_label}",
            ) from error

    def _available(self, model: str) -> dict[int, ModelVersion]:
        versions = self._versions.get(model, {})
        return {n: v for n, v in versions.items() if v.state == AVAILABLE}

    def _checked_labels(self, config: ModelServerConfig) -> dict[str, dict[str, int]]:
        labels: dict[str, dict[str, int]] = {}
        for name, model in model_config.models(config).items():
            available = self._available(name)
            for label, number in model.version_labels.items():
                if number not in available and not self._allow_any_label:
                    raise ServingError(
                        grpc.StatusCode.FAILED_PRECONDITION,
                        f"Request to assign label to version {number} of model {name}, "
                        "which is not currently available for inference",
                    )
                labels.setdefault(name, {})[label] = number
        return labels

    def _check_available(self, config: ModelServerConfig) -> None:
        """Refuses models that the config adds and that do not load."""
        known = model_config.models(self._config)
        ill = []
        for name, model in model_config.models(config).items():
            if name in known or self._available(name):
                continue
            failed = [v for v in self._versions.get(name, {}).values() if v.failed]
            ill += [
                f"{{name: {name} version: {v.number}}} due to error: {v.error}"
                for v in failed
            ]
            if not failed and self._fail_if_none:
                raise ServingError(
                    grpc.StatusCode.NOT_FOUND,
                    "Unable to find a numerical version path for servable "
                    f"{name} at: {model.base_path}",
                )
        if ill:
            raise ServingError(
                grpc.StatusCode.UNKNOWN,
                f"{len(ill)} servable(s) did not become available: "
                f"{{{', '.join(f'{{{text}}}' for text in ill)}}}",
            )

    # What is on the disk.

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            try:
                await self._scan()
                self._reconcile()
            except Exception:  # what it may be must not end the server's watch
                log.exception("Looking for new versions failed; it goes on")

    async def _scan(self) -> None:
        """Lists the base paths, and looks whether failed versions have changed."""
        for name, path in self._base_paths():
            try:
                found = await asyncio.to_thread(version_files.versions_in, path)
            except OSError as error:
                self._found[name, str(path)] = {}
                self._warn_once(
                    f"Could not find base path {path} for servable {name} with error "
                    f"{error}"
                )
                continue
            self._found[name, str(path)] = found
            if not found:
                self._warn_once(
                    f"No versions of servable {name} found under base path {path}. Did "
                    "you forget to name your leaf directory as a number (eg. '/1/')?"
                )
        for versions in list(self._versions.values()):
            for version in list(versions.values()):
                if version.failed:
                    files = await asyncio.to_thread(
                        version_files.snapshot, version.folder
                    )
                    if files != version.files:
                        version.tries = 0
                        version.next_try = 0.0

    def _base_paths(self) -> list[tuple[str, pathlib.Path]]:
        found = {
            (name, model.base_path)
            for config in self._configs()
            for name, model in model_config.models(config).items()
        }
        return [(name, pathlib.Path(path)) for name, path in sorted(found)]

    def _configs(self) -> list[ModelServerConfig]:
        """What is served, and while one is being tried, what may be served next."""
        return [self._config, *([self._candidate] if self._candidate else [])]

    def _warn_once(self, message: str) -> None:
        if message not in self._unlisted:
            self._unlisted.add(message)
            log.warning("%s", message)

    async def _watch(self, path: pathlib.Path, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            problem = ""
            try:
                config = await asyncio.to_thread(model_config.read_model_config, path)
                if config != self._config:
                    await self.reload(config)
                    progress.info("config", extra={"detail": f"{path} is served"})
            except (ConfigError, ServingError) as error:
                problem = str(error)
            except Exception as error:  # goes on with the next file
                log.exception("Reloading %s failed", path)
                problem = str(error)
            if problem and problem != self.config_error:
                log.error("The config stays as it was: %s", problem)
            self.config_error = problem
            self.metrics.config_refused(bool(problem))

    # What is loaded.

    def _wanted(self, name: str) -> dict[int, pathlib.Path]:
        """The versions of a model that are to be loaded."""
        chosen: dict[int, pathlib.Path] = {}
        versions = self._versions.get(name, {})
        failed = {number for number, v in versions.items() if v.failed}
        for config in self._configs():
            model = model_config.models(config).get(name)
            if model is None:
                continue
            found = self._found.get((name, model.base_path), {})
            numbers = version_policy.wanted(model.model_version_policy, found, failed)
            chosen |= {number: found[number] for number in numbers}
        return chosen

    def _reconcile(self) -> None:
        """Starts the loads and unloads that bring the versions to what is wanted."""
        if self._closing:
            return
        now = asyncio.get_running_loop().time()
        listed = {n for config in self._configs() for n in model_config.models(config)}
        for name in listed | self._versions.keys():
            wanted = self._wanted(name)
            versions = self._versions.setdefault(name, {})
            for number, folder in wanted.items():
                version = versions.setdefault(
                    number, ModelVersion(name, number, folder)
                )
                if (
                    version.state == START
                    or (version.state == END and version.error is None)
                    or (
                        version.failed
                        and version.tries <= self._retries
                        and version.next_try <= now
                    )
                ):
                    version.folder = folder
                    self._load(version)
            ready = any(versions[number].state == AVAILABLE for number in wanted)
            for number, version in versions.items():
                if version.state != AVAILABLE or number in wanted:
                    continue
                # The last one that answers stays, whatever became of its folder.
                if ready or name not in listed:
                    self._unload(version)

    async def _settle(self, config: ModelServerConfig) -> None:
        """Waits until all that the config asks for is loaded or has failed."""
        while True:
            self._reconcile()
            tasks = [
                version.task
                for name in model_config.models(config)
                for version in self._versions.get(name, {}).values()
                if version.state == LOADING and version.task is not None
            ]
            if not tasks:
                return
            await asyncio.wait(tasks)

    def _load(self, version: ModelVersion) -> None:
        version.state = LOADING
        version.servable = Servable(
            version.folder, version.model, version.number, self._inter_op_threads
        )
        version.task = asyncio.create_task(self._loading(version, version.servable))

    async def _loading(self, version: ModelVersion, servable: Servable) -> None:
        loop = asyncio.get_running_loop()
        what = f"{version.model} version {version.number}"
        progress.info("loading", extra={"detail": what})
        start = time.monotonic()
        try:
            # Before the load: a file that changes while it is read is worth another.
            version.files = await asyncio.to_thread(
                version_files.snapshot, version.folder
            )
            await loop.run_in_executor(self._loaders, self._read, servable)
            version.error = None
            version.tries = 0
            version.state = AVAILABLE
            detail = f"{what} after {time.monotonic() - start:.1f} s"
            progress.info("available", extra={"detail": detail})
        except Exception as error:
            version.servable = None
            version.tries += 1
            before = str(version.error)
            version.next_try = loop.time() + self._retry_seconds
            if isinstance(error, ServingError):
                version.error = error
            else:
                version.error = ServingError(grpc.StatusCode.INTERNAL, repr(error))
                log.exception("Loading %s failed", what)
            version.state = END
            if str(version.error) != before:  # a copy that goes on fails many times
                log.error("%s cannot be loaded: %s", what, version.error)
        status = version.error.code.name if version.error else "OK"
        self.metrics.load(version.model, status)
        version.task = None
        self._reconcile()

    def _read(self, servable: Servable) -> None:
        """Loads and warms; in a thread."""
        version_files.check_whole(servable.folder)
        servable.load(warm=self._warm)
        if servable.warmup_seconds:
            self.metrics.warmup(str(servable.folder), servable.warmup_seconds * 1e6)

    def _unload(self, version: ModelVersion) -> None:
        version.state = UNLOADING
        version.task = asyncio.create_task(self._unloading(version))

    async def _unloading(self, version: ModelVersion) -> None:
        what = f"{version.model} version {version.number}"
        if version.leases:
            progress.info(
                "draining", extra={"detail": f"{what}: {version.leases} request(s)"}
            )
        version.released.clear()
        while version.leases:
            await version.released.wait()
            version.released.clear()
        servable, version.servable = version.servable, None
        if servable is not None:
            await asyncio.get_running_loop().run_in_executor(
                self._loaders, servable.close
            )
        version.state = END
        version.error = None
        version.task = None
        progress.info("unloaded", extra={"detail": what})
        self._reconcile()

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
