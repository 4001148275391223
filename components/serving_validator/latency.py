"""How long a server takes for a request."""

import concurrent.futures
import time
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from clickwright.components.serving_validator.params import LatencyParams
from clickwright.components.serving_validator.result import Latency
from clickwright.serving.grpc_scorer import GrpcScorer

_ROUNDS = 5
_WARM = 3
_MOST_SECONDS = 5.0


def measure(
    request: PredictRequest,
    signature: SignatureDef,
    batch: int,
    params: LatencyParams,
    candidate: GrpcScorer,
    blessed: GrpcScorer | None = None,
) -> Latency:
    """Times one signature at one batch size.

    Candidate and blessed model take turns, so that what else the machine does falls on
    both.

    Args:
        request: real rows.
        signature: says which of its tensors hold one row each.
        batch: rows; those of `request` are repeated or left out.
        params: how often.
        candidate: the server with the candidate.
        blessed: the server with the blessed model.

    Raises:
        ScoringError: a request was refused.
    """
    enlarged = _with_rows(request, signature, batch)
    servers = [server for server in (candidate, blessed) if server is not None]
    requests = [server.addressed(enlarged) for server in servers]
    times: list[list[float]] = [[] for _ in servers]
    for server, addressed in zip(servers, requests, strict=True):
        for _ in range(_WARM):
            server.send(addressed)
    until = time.monotonic() + _MOST_SECONDS * len(servers)
    each = -(-params.requests // _ROUNDS)
    for _ in range(_ROUNDS):
        for server, addressed, found in zip(servers, requests, times, strict=True):
            found += _timed(server, addressed, each)
        if time.monotonic() > until:
            break
    p50, p99 = (float(x) for x in np.percentile(times[0], [50, 99]) * 1e3)
    return Latency(
        signature=request.model_spec.signature_name,
        batch=batch,
        requests=len(times[0]),
        p50_ms=p50,
        p99_ms=p99,
        qps=_throughput(candidate, requests[0], params),
        blessed_p50_ms=float(np.median(times[1])) * 1e3 if blessed else None,
    )


def over_budget(latency: Latency, params: LatencyParams) -> tuple[str, ...]:
    """Says which bounds a measurement breaks, and by how much."""
    name = f"`{latency.signature}` at batch {latency.batch}"
    found = []
    if params.p99_ms is not None and latency.p99_ms > params.p99_ms:
        found.append(
            f"{name}: the 99th percentile is {latency.p99_ms:.3g} ms, "
            f"{params.p99_ms:g} ms are allowed"
        )
    if (
        params.p50_ratio is not None
        and latency.ratio is not None
        and latency.ratio > params.p50_ratio
    ):
        found.append(
            f"{name}: the median is {latency.p50_ms:.3g} ms, {latency.ratio:.3g} times "
            f"the blessed model's {latency.blessed_p50_ms:.3g} ms; "
            f"{params.p50_ratio:g} times are allowed"
        )
    return tuple(found)


def comparable(signature: SignatureDef, other: SignatureDef | None) -> bool:
    """Whether the same request can be sent to both."""
    return other is not None and _types(signature) == _types(other)


def largest_requests(
    requests: Sequence[PredictRequest], signatures: Mapping[str, SignatureDef]
) -> dict[str, PredictRequest]:
    """The request with most rows of each signature."""
    found: dict[str, PredictRequest] = {}
    for request in requests:
        name = request.model_spec.signature_name
        if name in signatures:
            best = found.setdefault(name, request)
            if _rows(request, signatures[name]) > _rows(best, signatures[name]):
                found[name] = request
    return found


def _types(signature: SignatureDef) -> dict[str, tuple[int, int]]:
    return {
        name: (int(t.dtype), len(t.tensor_shape.dim))
        for name, t in signature.inputs.items()
    }


def _grows(signature: SignatureDef, name: str) -> bool:
    """Whether the tensor holds one row each; the user's row of `rank` stands alone."""
    dims = signature.inputs[name].tensor_shape.dim
    return bool(dims) and dims[0].size < 0


def _rows(request: PredictRequest, signature: SignatureDef) -> int:
    sizes = (
        request.inputs[name].tensor_shape.dim[0].size
        for name in request.inputs
        if _grows(signature, name)
    )
    return max(sizes, default=0)


def _with_rows(
    request: PredictRequest, signature: SignatureDef, batch: int
) -> PredictRequest:
    changed = PredictRequest()
    changed.CopyFrom(request)
    for name, tensor in request.inputs.items():
        if _grows(signature, name):
            rows = tf.make_ndarray(tensor)
            places = np.arange(batch) % len(rows)
            changed.inputs[name].CopyFrom(tf.make_tensor_proto(rows[places]))
    return changed


def _timed(server: GrpcScorer, request: PredictRequest, count: int) -> list[float]:
    """Seconds of each of the requests, sent one after another."""
    found = []
    for _ in range(count):
        started = time.perf_counter()
        server.send(request)
        found.append(time.perf_counter() - started)
    return found


def _throughput(
    server: GrpcScorer, request: PredictRequest, params: LatencyParams
) -> float:
    """Requests a second."""
    until = time.monotonic() + _MOST_SECONDS
    share = -(-params.requests // params.concurrency)

    def work() -> int:
        sent = 0
        while sent < share and time.monotonic() < until:
            server.send(request)
            sent += 1
        return sent

    started = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(params.concurrency) as pool:
        futures = [pool.submit(work) for _ in range(params.concurrency)]
        sent = sum(future.result() for future in futures)
    return sent / (time.perf_counter() - started)
