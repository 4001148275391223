"""What the router adds to a call, and what kills leave of its log."""

import contextlib
import datetime
import logging
import os
import pathlib
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from typing import Annotated

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.filterwarnings("ignore")

import numpy as np
import typer
import yaml
from figure import Figure, console, tell
from router_kills import Program, router_command, running, send_and_kill
from serving_load import Load, Metadata, run_load
from serving_models import ServingModels
from serving_requests import row_requests, score_requests
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from clickwright.serving.server_process import server_command

HERE = pathlib.Path(__file__).resolve().parent
CALLERS = 8
KILL_CALLERS = 16
PARTS = ("overhead", "kills")
NAME = "deepfm"
_CONTROL, _ARM = "lr", "deep"
_UNITS = 5_000
_ROUNDS = 5
_PACE = 0.5  # of the requests that the server answers alone


def main(
    candidates: Annotated[int, typer.Option(help="Items of a request.")] = 100,
    seconds: Annotated[
        float, typer.Option(help="Time for each way to ask, in all.")
    ] = 30.0,
    requests: Annotated[int, typer.Option(help="Requests while things are killed.")] = (
        50_000
    ),
    impressions: Annotated[
        int, typer.Option(help="Rows of the shop's log.", min=1000)
    ] = 5_000,
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
    """Time a router in front of a model server, and kill both.

    Eight callers ask `rank` for the scores of a user's candidates, directly, through the
    router, and through a proxy that does nothing but send on, in turns. They are paced
    to half of what the server answers alone, so that the figure is what the router adds
    and not how long the queue of a full machine is; more rows show the full machine.
    Each answer through the router is of an arm and in the exposure log.

    Then every request is sent until it is answered, while router, model server and the
    server of the other arm are killed with SIGKILL and started again.

        python benchmarks/router.py --json router.json

        python benchmarks/router.py --seconds 4 --requests 2000
    """
    logging.disable(logging.WARNING)
    parts = only or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        raise typer.BadParameter(f"{', '.join(unknown)}: choose from {PARTS}")
    figures: list[Figure] = []

    def keep(found: Figure) -> None:
        figures.append(found)
        console.print(*found.cells(), highlight=False)

    with tempfile.TemporaryDirectory(dir=folder) as given:
        work = pathlib.Path(given)
        with console.status("Making the shop and its model"):
            shop = ServingModels(work / "shop", impressions, history=50)
            versions = shop.export(NAME)
            log = shop.log()
        _write_experiment(work / "experiments")
        if "overhead" in parts:
            request = score_requests(versions / "1", log, candidates)["rank"]
            _overhead(work, versions, request, seconds, keep)
        if "kills" in parts:
            rows = row_requests(versions / "1", log, 50)
            _kills(work, versions, rows, requests, keep)
    tell(figures, "clickwright route", markdown, json_file)


def _write_experiment(folder: pathlib.Path) -> None:
    folder.mkdir()
    now = datetime.datetime.now(datetime.UTC)
    content = {
        "id": "router_benchmark",
        "hypothesis": "The router adds little.",
        "model": _CONTROL,
        "arms": {
            "control": {"weight": 0.5, "target": {"model": _CONTROL}},
            "treatment": {"weight": 0.5, "target": {"model": _ARM}},
        },
        "start": now.isoformat(),
        "end": (now + datetime.timedelta(days=1)).isoformat(),
        "metrics": [
            {
                "name": "ctr",
                "kind": "ratio",
                "numerator": "click",
                "denominator": "exposures",
                "role": "primary",
                "minimum_effect": 0.02,
            }
        ],
    }
    (folder / "router_benchmark.yaml").write_text(yaml.safe_dump(content))


@contextlib.contextmanager
def _routed(
    work: pathlib.Path, versions: pathlib.Path, log: str, arm_apart: bool
) -> Iterator[tuple[Program, Program, Program | None]]:
    """Router, the server of control, and that of the arm where it has its own."""
    models = (_CONTROL,) if arm_apart else (_CONTROL, _ARM)
    server = Program(_serving(work, versions, models), work / "server.txt")
    other, flags = None, []
    if arm_apart:
        other = Program(_serving(work, versions, (_ARM,)), work / "arm.txt")
        flags = [f"--model_server={_ARM}={other.grpc}"]
    router = Program(
        router_command(
            work / "experiments",
            work / log,
            f"--server={server.grpc}",
            f"--rest_server={server.rest}",
            *flags,
        ),
        work / "router.txt",
    )
    with running(*filter(None, (server, other)), router):
        yield router, server, other


def _serving(
    work: pathlib.Path, versions: pathlib.Path, models: tuple[str, ...]
) -> list[str]:
    """A server of the one model under some names."""
    lines = (
        f'config {{ name: "{name}" base_path: "{versions}" '
        'model_platform: "tensorflow" }'
        for name in models
    )
    file = work / f"{'_'.join(models)}.config"
    file.write_text(f"model_config_list {{ {' '.join(lines)} }}")
    return [*server_command(), f"--model_config_file={file}"]


def _overhead(
    work: pathlib.Path,
    versions: pathlib.Path,
    request: PredictRequest,
    seconds: float,
    keep: Callable[[Figure], None],
) -> None:
    """Latency of the same requests, directly and through the router."""
    request.model_spec.name = _CONTROL
    with (
        _routed(work, versions, "overhead", arm_apart=False) as (router, server, _),
        _bare_proxy(server.grpc) as proxy,
    ):
        places = {
            "directly": server.grpc,
            "through the router": router.grpc,
            "through a bare proxy": proxy,
        }
        for place in places.values():  # first requests are slower
            run_load(place, [request], CALLERS, 3.0, metadata=_metadata)
        alone = run_load(server.grpc, [request], CALLERS, 3.0, metadata=_metadata)
        rates = {"half the load": _PACE * alone.rate, "as fast as can be": 0.0}
        for load, rate in rates.items():
            found: dict[str, list[Load]] = {how: [] for how in places}
            spent = router.cpu_seconds()
            for _ in range(_ROUNDS):
                for how, place in places.items():
                    found[how].append(
                        run_load(
                            place,
                            [request],
                            CALLERS,
                            seconds / _ROUNDS,
                            metadata=_metadata,
                            rate=rate,
                        )
                    )
            spent = router.cpu_seconds() - spent
            wanted = {50: 2.0, 99: 10.0} if rate else {}
            _compare(f"{CALLERS} callers, {load}", found, wanted, keep)
            answers = sum(len(x.ended) for x in found["through the router"])
            what = f"{CALLERS} callers, {load}, the router's processor time"
            keep(Figure(what, 1000.0 * spent / answers, "ms/request"))


@contextlib.contextmanager
def _bare_proxy(server: str) -> Iterator[str]:
    """A proxy that does nothing but send on; gives its address."""
    command = [sys.executable, str(HERE / "bare_proxy.py"), server]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield f"127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


def _compare(
    what: str,
    found: dict[str, list[Load]],
    wanted: dict[int, float],
    keep: Callable[[Figure], None],
) -> None:
    times = {}
    for how, loads in found.items():
        rate = sum(len(x.ended) for x in loads) / sum(x.seconds for x in loads)
        keep(Figure(f"{what}, {how}", rate, "requests/s"))
        times[how] = np.concatenate([x.milliseconds for x in loads])
        failed = sum(len(x.errors) + x.lost for x in loads)
        keep(Figure(f"{what}, {how}, failed or lost", failed, "requests", most=0))
    for share in (50, 99):
        spent = {how: float(np.percentile(x, share)) for how, x in times.items()}
        for how, value in spent.items():
            keep(Figure(f"{what}, {how}, p{share}", value, "ms"))
        bars = {"router": wanted.get(share), "bare proxy": None}
        for (name, most), how in zip(bars.items(), list(spent)[1:], strict=True):
            added = spent[how] - spent["directly"]
            title = f"{what}, what the {name} adds, p{share}"
            keep(Figure(title, added, "ms", most=most))


def _kills(
    work: pathlib.Path,
    versions: pathlib.Path,
    requests: list[PredictRequest],
    count: int,
    keep: Callable[[Figure], None],
) -> None:
    """Requests until all are answered, while everything is killed once."""
    for request in requests:
        request.model_spec.name = _CONTROL
    with _routed(work, versions, "kills", arm_apart=True) as (router, server, arm):
        kills = [x.kill_and_start for x in (router, server, arm) if x is not None]
        kept = send_and_kill(
            router.grpc, work / "kills", requests, count, KILL_CALLERS, kills
        )
    what = "kills of router, server and arm"
    for name, value, most in (
        ("requests", kept.requests, None),
        ("not answered in the end", kept.requests - kept.answered, 0),
        ("answers without exposure", kept.missing, 0),
        ("exposures more than one of an answer", kept.more, 0),
        ("exposures of no answer", kept.unanswered, 0),
        ("records of a request that was sent again, read once", kept.repeated, None),
        ("answers of control for an arm that failed", kept.fallbacks, None),
        ("requests sent in vain", kept.attempts - kept.answered, None),
    ):
        keep(Figure(f"{what}, {name}", float(value), "", most=most))
    keep(Figure(f"{what}, time", kept.seconds, "s"))


def _metadata(number: int) -> Metadata:
    return [
        ("x-unit-id", f"user {number % _UNITS}"),
        ("x-attributes", "device=phone,segment=student"),
    ]


if __name__ == "__main__":
    typer.run(main)
