"""Tries a model in a server."""

import contextlib
import functools
import logging
import pathlib
import time
from collections.abc import Collection

from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from clickwright.components.serving_validator.graph_ops import (
    forbidden_ops,
    read_graph,
)
from clickwright.components.serving_validator.latency import (
    comparable,
    largest_requests,
    measure,
    over_budget,
)
from clickwright.components.serving_validator.params import ServingParams
from clickwright.components.serving_validator.result import Latency, ValidationResult
from clickwright.schemas.errors import DataError
from clickwright.schemas.prediction_logs import read_logs
from clickwright.schemas.serving_files import GOLDEN_PATH
from clickwright.serving.grpc_scorer import GrpcScorer
from clickwright.serving.rest_scorer import RestScorer
from clickwright.serving.saved_model_scorer import SavedModelScorer
from clickwright.serving.scorer import Scorer, ScoringError
from clickwright.serving.server_process import ServerProcess
from clickwright.serving.skew import skew
from clickwright.serving.skew_report import SkewReport

_MODEL = "candidate"
_MEGABYTE = 1e6
_RANK = "rank"

progress = logging.getLogger("clickwright.progress")


def validate(
    versions: pathlib.Path,
    signatures: Collection[str],
    params: ServingParams,
    blessed: pathlib.Path | None = None,
) -> ValidationResult:
    """Serves a model and asks it what its golden requests ask.

    Its graph is looked at first: a model with operations that no server should run is
    not loaded at all.

    Args:
        versions: folder with the candidate as the version `1`; nothing is written.
        signatures: what the model must offer.
        params: what it must reach.
        blessed: the same with the blessed model, to compare times with.

    Returns:
        What was found; all that is wrong, and not the first thing alone.

    Raises:
        MachineError: there is no model server.
    """
    model = versions / "1"
    try:
        graph = read_graph(model)
    except DataError as error:
        return ValidationResult(blessed=False, failures=(error.what,))
    failures = [
        f"the model lacks the signature `{name}`, it has "
        + ", ".join(sorted(graph.signature_def))
        for name in sorted(set(signatures) - set(graph.signature_def))
    ]
    golden = model / GOLDEN_PATH
    if not golden.is_file():
        failures.append(
            f"there are no golden requests (`{GOLDEN_PATH}`) to prove it with: export "
            "the model again"
        )
    unsafe = forbidden_ops(graph)
    if unsafe:
        return ValidationResult(blessed=False, failures=(*failures, *unsafe))

    progress.info("starting", extra={"detail": "a model server with the candidate"})
    started = time.monotonic()
    try:
        with ServerProcess({_MODEL: versions}, params.ready_seconds) as server:
            ready = time.monotonic() - started
            found: SkewReport | None = None
            latencies: tuple[Latency, ...] = ()
            if golden.is_file():
                progress.info("replaying", extra={"detail": "golden requests"})
                found = _replay(model, server)
                needed = {*signatures, *({_RANK} & set(graph.signature_def))}
                failures += found.failures(params.tolerance, needed)
                progress.info("measuring", extra={"detail": "times"})
                latencies, slow = _latencies(server, model, graph, params, blessed)
                failures += slow
            memory = server.memory() / _MEGABYTE
    except DataError as error:
        return ValidationResult(blessed=False, failures=(*failures, error.what))
    if params.memory_mb is not None and memory > params.memory_mb:
        failures.append(
            f"the server holds {memory:,.0f} MB, {params.memory_mb:,.0f} MB are allowed"
        )
    return ValidationResult(
        blessed=not failures,
        failures=tuple(failures),
        server=server.program,
        tolerance=params.tolerance,
        skew=found,
        latencies=latencies,
        memory_mb=memory,
        ready_seconds=ready,
    )


def _replay(model: pathlib.Path, server: ServerProcess) -> SkewReport:
    with GrpcScorer(server.grpc, _MODEL) as over_grpc:
        ways: dict[str, Scorer] = {
            "SavedModel": SavedModelScorer(model),
            "gRPC": over_grpc,
            "REST": RestScorer(server.rest, _MODEL),
        }
        return skew(model / GOLDEN_PATH, ways)


def _latencies(
    server: ServerProcess,
    model: pathlib.Path,
    graph: MetaGraphDef,
    params: ServingParams,
    blessed: pathlib.Path | None,
) -> tuple[tuple[Latency, ...], list[str]]:
    """Times of all signatures, and which of them break the budget."""
    requests: list[PredictRequest] = [
        log.predict_log.request
        for log in read_logs(model / GOLDEN_PATH)
        if log.HasField("predict_log")
    ]
    found: list[Latency] = []
    failures: list[str] = []
    with contextlib.ExitStack() as stack:
        candidate = stack.enter_context(GrpcScorer(server.grpc, _MODEL))
        other, known = None, None
        if blessed is not None and params.latency.p50_ratio is not None:
            # What is wrong with a model that serves already is no fault of this one.
            with contextlib.suppress(DataError):
                known = read_graph(blessed / "1")
                process = ServerProcess({_MODEL: blessed}, params.ready_seconds)
                stack.enter_context(process)
                other = stack.enter_context(GrpcScorer(process.grpc, _MODEL))
        for name, request in largest_requests(requests, graph.signature_def).items():
            signature = graph.signature_def[name]
            alike = known is not None and comparable(
                signature, known.signature_def.get(name)
            )
            time_batch = functools.partial(
                measure,
                request,
                signature,
                params=params.latency,
                candidate=candidate,
                blessed=other if alike else None,
            )
            try:
                for batch in params.latency.batch_sizes:
                    times = time_batch(batch)
                    if over_budget(times, params.latency):
                        # Once more: the machine may have had something else to do.
                        times = time_batch(batch)
                    found.append(times)
                    failures += over_budget(times, params.latency)
            except ScoringError as error:
                failures.append(f"`{name}` cannot be timed: {error}")
    return tuple(found), failures
