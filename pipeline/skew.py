"""Whether a model answers as it did, in this process and in a server."""

import contextlib
import os
import pathlib
import tempfile

# TensorFlow would greet on standard error.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import rich.box
import rich.console
import rich.table

from clickwright.schemas.errors import ConfigError
from clickwright.schemas.serving_files import GOLDEN_PATH
from clickwright.schemas.source import progress
from clickwright.serving.grpc_scorer import GrpcScorer
from clickwright.serving.rest_scorer import RestScorer
from clickwright.serving.saved_model_scorer import SavedModelScorer
from clickwright.serving.scorer import Scorer
from clickwright.serving.server_process import ServerProcess
from clickwright.serving.skew import skew
from clickwright.serving.skew_report import SignatureSkew, SkewReport

_MODEL = "model"


def prove(
    model: pathlib.Path,
    *,
    requests: pathlib.Path | None = None,
    server: str | None = None,
    rest: str | None = None,
    name: str | None = None,
) -> SkewReport:
    """Sends kept requests to a SavedModel in this process and in a server.

    Args:
        model: the SavedModel, a version's folder.
        requests: the requests with their answers; the model's golden ones when None.
        server: gRPC address of a server that has the model; when neither this nor
            `rest` is given, one is started with it for as long as it takes.
        rest: its REST address.
        name: the model's name there.

    Raises:
        ConfigError: an address without a name, or a name without one.
        DataError: there are no such requests, or the model cannot be loaded.
    """
    if bool(server or rest) != bool(name):
        raise ConfigError(
            "A model is found by the address of its server and its name there.",
            where="--server, --rest and --name",
            fix="give `--name` with `--server` or `--rest`, or none of the three",
        )
    kept = model / GOLDEN_PATH if requests is None else requests
    scorers: dict[str, Scorer] = {"SavedModel": SavedModelScorer(model)}
    with contextlib.ExitStack() as stack:
        if name is None:
            progress.info("starting", extra={"detail": "a model server"})
            folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
            (folder / "1").symlink_to(model.resolve(), target_is_directory=True)
            process = stack.enter_context(ServerProcess({_MODEL: folder}))
            server, rest, name = process.grpc, process.rest, _MODEL
        if server is not None:
            scorers["gRPC"] = stack.enter_context(GrpcScorer(server, name))
        if rest is not None:
            scorers["REST"] = RestScorer(rest, name)
        progress.info("replaying", extra={"detail": kept.name})
        return skew(kept, scorers)


def show(report: SkewReport, tolerance: float, console: rich.console.Console) -> None:
    """Prints the largest difference of each signature, and what is too large."""
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD)
    table.add_column("signature", no_wrap=True)
    for column in ("requests", "rows", *report.ways):
        table.add_column(column, justify="right")
    for signature in report.signatures:
        found = [report.of(signature, way) for way in report.ways]
        requests, rows = (
            max(getattr(f, field) for f in found if f) for field in ("requests", "rows")
        )
        cells = (_cell(f, tolerance) for f in found)
        table.add_row(signature, f"{requests:,}", f"{rows:,}", *cells)
    console.print(table)
    for failure in report.failures(tolerance):
        console.print(failure, highlight=False, markup=False, soft_wrap=True)
    if report.skipped:
        console.print(f"{report.skipped} requests of other kinds were left out")


def _cell(found: SignatureSkew | None, tolerance: float) -> str:
    if found is None:
        return "–"
    text = "failed" if found.problem else f"{found.largest:.2g}"
    return text if found.within(tolerance) else f"[red]{text}[/]"
