"""What serving costs: signatures, the server itself, batching, and new versions.

All rows of the table come out of one run on one machine; where two things are compared,
their calls take turns, so that whatever else the machine does falls on both.
"""

import contextlib
import logging
import os
import pathlib
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, TypeAlias

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.filterwarnings("ignore")

import grpc
import numpy as np
import pyarrow as pa
import tensorflow as tf
import typer
from figure import Figure, console, tell
from serving_load import Load, run_load
from serving_models import MODELS, TOWER, ServingModels
from serving_requests import row_requests, score_requests
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from clickwright.serving.client import Client
from clickwright.serving.server_process import ServerProcess, server_command

CALLERS = (1, 8, 32)
BUSY_CALLERS = 8
OVERHEAD_ROWS = 100
SWAP_CALLERS = 8
PARTS = ("rank", "overhead", "load", "swap")
BATCHING = """
max_batch_size { value: 32 }
batch_timeout_micros { value: 1000 }
num_batch_threads { value: 2 }
max_enqueued_batches { value: 1000 }
allowed_batch_sizes: 1
allowed_batch_sizes: 8
allowed_batch_sizes: 32
"""
_ROUNDS = 3  # of loads: neighbours on a machine come and go
_TURN, _COLD = 25, 3
_REQUESTS = 200  # different ones of one row, asked over and over
_TOLERANCE = 1e-5

Call: TypeAlias = Callable[[], np.ndarray[Any, Any]]


def main(
    candidates: Annotated[int, typer.Option(help="Items of a request.")] = 1_000,
    history: Annotated[int, typer.Option(help="Events of a history.")] = 50,
    impressions: Annotated[
        int, typer.Option(help="Rows of the shop's log.", min=1000)
    ] = 100_000,
    seconds: Annotated[float, typer.Option(help="Time for each measurement.")] = 10.0,
    swap_seconds: Annotated[
        float, typer.Option(help="Time under load while versions come.")
    ] = 60.0,
    swaps: Annotated[int, typer.Option(help="Versions that come.", min=1)] = 5,
    models: Annotated[
        str, typer.Option(help="Models, with commas between.")
    ] = ",".join(MODELS),
    tower: Annotated[
        str, typer.Option(help="Units of the models' hidden layers.")
    ] = ",".join(map(str, TOWER)),
    only: Annotated[
        list[str] | None, typer.Option(help=f"Parts: {', '.join(PARTS)}; else all.")
    ] = None,
    folder: Annotated[
        pathlib.Path | None, typer.Option(help="Where to work; else a temporary one.")
    ] = None,
    markdown: Annotated[
        pathlib.Path | None, typer.Option(help="Also write the table here.")
    ] = None,
    json_file: Annotated[
        pathlib.Path | None, typer.Option("--json", help="Also write all figures here.")
    ] = None,
) -> None:
    """Time exported models of the shop behind the model server.

    The models have the sizes of those that `benchmarks/sequence.py` trains on the shop,
    and random weights: how fast a model answers depends on nothing else. `rank` scores
    one user and the candidates; the other two signatures score the same pairs as rows.
    A row of load is one impression. While versions come, each is copied beside the one
    that serves and then renamed.

    The server is ours, or the one that CLICKWRIGHT_MODEL_SERVER names.

        python benchmarks/serving.py --json serving.json

        python benchmarks/serving.py --impressions 5000 --seconds 1 --swap-seconds 10 \\
            --swaps 1 --models deepfm
    """
    logging.disable(logging.WARNING)
    parts = only or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        raise typer.BadParameter(f"{', '.join(unknown)}: choose from {PARTS}")
    figures: list[Figure] = []

    def keep(found: Figure) -> None:
        figures.append(found)
        console.print(*found.cells(), highlight=False)

    with tempfile.TemporaryDirectory(dir=folder) as work:
        with console.status("Making the shop and its models"):
            shop = ServingModels(pathlib.Path(work) / "shop", impressions, history)
            units = [int(width) for width in tower.split(",")]
            folders = {name: shop.export(name, units) for name in models.split(",")}
            log = shop.log()
        for name, versions in folders.items():
            if "rank" in parts:
                _signatures(name, versions, log, candidates, seconds, keep)
        name, versions = next(iter(folders.items()))
        if "overhead" in parts:
            with console.status("Making the same model without histories"):
                bare = ServingModels(pathlib.Path(work) / "bare", impressions, 0)
                short = bare.export(name, units)
            _overhead(f"{name} without histories", short, bare.log(), seconds, keep)
            _overhead(name, versions, log, seconds, keep)
        if "load" in parts:
            _load(name, versions, log, seconds, pathlib.Path(work), keep)
        if "swap" in parts:
            _swaps(name, versions, log, swap_seconds, swaps, keep)
        program = ServerProcess(folders).program
    tell(figures, program, markdown, json_file)


def _signatures(
    name: str,
    versions: pathlib.Path,
    log: pa.Table,
    candidates: int,
    seconds: float,
    keep: Callable[[Figure], None],
) -> None:
    """The signatures of one model beside each other."""
    requests = score_requests(versions / "1", log, candidates)
    loaded = tf.saved_model.load(str(versions / "1"))
    with _server(name, versions) as server, _stub(server) as stub:
        calls = {
            f"{s}, in process": _in_process(loaded, r) for s, r in requests.items()
        }
        calls |= {f"{s}, served": _served(stub, r) for s, r in requests.items()}
        scores = {s: call() for s, call in calls.items()}
        times = _taking_turns(calls, seconds * len(calls))
        loads: dict[str, list[Load]] = {s: [] for s in requests}
        for _ in range(_ROUNDS):
            for s, request in requests.items():
                loads[s].append(run_load(server.grpc, [request], BUSY_CALLERS, seconds))
    busy = f"served, {BUSY_CALLERS} at a time"
    rates = {
        where: {
            s: 1000.0 * candidates / float(np.median(times[f"{s}, {where}"]))
            for s in requests
        }
        for where in ("in process", "served")
    }
    rates[busy] = {
        s: candidates * float(np.median([load.rate for load in found]))
        for s, found in loads.items()
    }
    for where, rate in rates.items():
        # One caller alone leaves cores idle that a large batch would take.
        wanted = where == busy
        for signature, found in rate.items():
            keep(Figure(f"{name}: `{signature}`, {where}", found, "candidates/s"))
        for signature, least in (("serving_default", 5.0), ("predict_raw", 1.5)):
            ratio = rate["rank"] / rate[signature]
            what = f"{name}: `rank` / `{signature}`, {where}"
            keep(Figure(what, ratio, "times", least=least if wanted else None))
    failed = sum(
        len(load.errors) + load.lost for found in loads.values() for load in found
    )
    keep(Figure(f"{name}: {busy}, failed or lost", failed, "requests", most=0))
    want = scores["predict_raw, in process"]
    gap = max(float(np.abs(found - want).max()) for found in scores.values())
    keep(Figure(f"{name}: largest difference of scores", gap, "", most=_TOLERANCE))


def _overhead(
    name: str,
    versions: pathlib.Path,
    log: pa.Table,
    seconds: float,
    keep: Callable[[Figure], None],
) -> None:
    """What the server adds to a call of the same signature."""
    (request,) = row_requests(versions / "1", log, 1, OVERHEAD_ROWS)
    loaded = tf.saved_model.load(str(versions / "1"))
    with _server(versions.name, versions) as server, _stub(server) as stub:
        calls = {
            "in process": _in_process(loaded, request),
            "served": _served(stub, request),
        }
        times = _taking_turns(calls, 2 * seconds)
    medians = {where: float(np.median(found)) for where, found in times.items()}
    what = f"{name}: `predict_raw`, {OVERHEAD_ROWS} rows"
    for where, median in medians.items():
        keep(Figure(f"{what}, {where}, p50", median, "ms"))
    added = medians["served"] - medians["in process"]
    keep(Figure(f"{what}, what the server adds", added, "ms", most=1.0))


def _load(
    name: str,
    versions: pathlib.Path,
    log: pa.Table,
    seconds: float,
    work: pathlib.Path,
    keep: Callable[[Figure], None],
) -> None:
    """Requests of one row, with micro-batching and without."""
    requests, want = _rows(versions / "1", log)
    file = work / "batching.config"
    file.write_text(BATCHING)
    flags = ("--enable_batching=true", f"--batching_parameters_file={file}")
    with (
        _server(name, versions) as plain,
        _server(name, versions, flags) as batching,
    ):
        servers = {"": plain, " in micro-batches": batching}
        for server in servers.values():  # neither meets its first requests below
            run_load(server.grpc, requests, 1, min(seconds, 1.0))
        for callers in CALLERS:
            for how, server in servers.items():
                load = run_load(server.grpc, requests, callers, seconds)
                what = f"{name}: requests of a row, {callers} at a time{how}"
                keep(Figure(what, load.rate, "requests/s"))
                for share in (50, 99):
                    spent = float(np.percentile(load.milliseconds, share))
                    keep(Figure(f"{what}, p{share}", spent, "ms"))
                _keep_health(what, load, want, keep)


def _swaps(
    name: str,
    versions: pathlib.Path,
    log: pa.Table,
    seconds: float,
    swaps: int,
    keep: Callable[[Figure], None],
) -> None:
    """Versions that come while requests are answered."""
    requests, want = _rows(versions / "1", log)
    windows: list[tuple[float, float]] = []
    with _server(name, versions) as server, Client(server.grpc, name) as client:
        run_load(server.grpc, requests, SWAP_CALLERS, 1.0)
        start = time.monotonic()

        def bring_versions() -> None:
            for number in range(swaps):
                due = start + seconds * (number + 0.5) / swaps
                time.sleep(max(0.0, due - time.monotonic()))
                windows.append(_swap(client, versions, number + 2))

        load = run_load(
            server.grpc, requests, SWAP_CALLERS, seconds, meanwhile=bring_versions
        )
    during = np.zeros(len(load.ended), bool)
    for first, last in windows:
        during |= (load.started <= last) & (load.ended >= first)
    spent = load.milliseconds
    outside, inside = (float(np.percentile(spent[x], 99)) for x in (~during, during))
    what = f"{name}: {swaps} new versions in {load.seconds:.0f} s, {SWAP_CALLERS} at a time"
    keep(Figure(what, load.rate, "requests/s"))
    keep(Figure(f"{what}, p99 between", outside, "ms"))
    keep(Figure(f"{what}, p99 while one comes", inside, "ms"))
    keep(Figure(f"{what}, p99 as many times", inside / outside, "times", most=2.0))
    longest = max(last - first for first, last in windows)
    keep(Figure(f"{what}, from its folder to its use", longest, "s at most"))
    _keep_health(what, load, want, keep)


def _swap(client: Client, versions: pathlib.Path, number: int) -> tuple[float, float]:
    """Brings a version; returns when it was there and when it alone was served."""
    staged = versions / f".{number}"
    shutil.copytree(versions / str(number - 1), staged)
    first = time.monotonic()
    staged.rename(versions / str(number))
    while time.monotonic() - first < 120:
        states = {v.version: v.state for v in client.status()}
        alone = [v for v, s in states.items() if s != ModelVersionStatus.END]
        if alone == [number] and states[number] == ModelVersionStatus.AVAILABLE:
            return first, time.monotonic()
        time.sleep(0.05)
    raise RuntimeError(f"version {number} is not served after two minutes: {states}")


def _rows(
    version: pathlib.Path, log: pa.Table
) -> tuple[list[PredictRequest], list[np.ndarray[Any, Any]]]:
    """Requests of a row, and their answers in this process."""
    requests = row_requests(version, log, _REQUESTS)
    loaded = tf.saved_model.load(str(version))
    return requests, [_in_process(loaded, request)() for request in requests]


def _keep_health(
    what: str,
    load: Load,
    want: Sequence[np.ndarray[Any, Any]],
    keep: Callable[[Figure], None],
) -> None:
    for error in sorted(set(load.errors))[:3]:
        console.print(error, markup=False)
    keep(Figure(f"{what}, failed", len(load.errors), "requests", most=0))
    keep(Figure(f"{what}, lost", load.lost, "requests", most=0))
    gap = load.difference(want)
    keep(Figure(f"{what}, largest difference", gap, "", most=_TOLERANCE))


def _server(
    name: str, versions: pathlib.Path, flags: Sequence[str] = ()
) -> ServerProcess:
    return ServerProcess({name: versions}, command=(*server_command(), *flags))


@contextlib.contextmanager
def _stub(server: ServerProcess) -> Iterator[PredictionServiceStub]:
    with grpc.insecure_channel(server.grpc) as channel:
        yield PredictionServiceStub(channel)


def _served(stub: PredictionServiceStub, request: PredictRequest) -> Call:
    def call() -> np.ndarray[Any, Any]:
        (output,) = stub.Predict(request).outputs.values()
        return tf.make_ndarray(output)

    return call


def _in_process(loaded: Any, request: PredictRequest) -> Call:
    signature = loaded.signatures[request.model_spec.signature_name]
    arrays = {name: tf.make_ndarray(x) for name, x in request.inputs.items()}

    def call() -> np.ndarray[Any, Any]:
        tensors = {name: tf.constant(x) for name, x in arrays.items()}
        (output,) = signature(**tensors).values()
        return np.asarray(output)

    return call


def _taking_turns(
    calls: Mapping[str, Call], seconds: float
) -> dict[str, np.ndarray[Any, Any]]:
    """Milliseconds of each call.

    Each has turns of some calls, as servers are asked one request after the other; the
    first of a turn find the caches full of the others' data, and are left out.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(next(iter(times.values()))) < _TURN:
        for name, call in calls.items():
            for place in range(_TURN):
                start = time.perf_counter()
                call()
                if place >= _COLD:
                    times[name].append(1000.0 * (time.perf_counter() - start))
    return {name: np.array(found) for name, found in times.items()}


if __name__ == "__main__":
    typer.run(main)
