"""One run, from the configuration to the summary and the report."""

import contextlib
import dataclasses
import datetime
import importlib
import logging
import pathlib
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import rich.box
import rich.console
import rich.table

from clickwright.components.spans.span_journal import SpanJournal
from clickwright.components.spans.span_record import State
from clickwright.components.spans.span_request import SpanRequest
from clickwright.pipeline.config import LoadedConfig
from clickwright.pipeline.console import RunConsole, quiet, watched
from clickwright.pipeline.inputs import InputFiles, find_input
from clickwright.pipeline.lock import exclusive
from clickwright.pipeline.paths import RunPaths
from clickwright.schemas.errors import ClickwrightError, full_disk

if TYPE_CHECKING:
    from clickwright.pipeline.session import Session

_logger = logging.getLogger(__name__)
TUNER = "Tuner"
"""The node that searches parameters."""
_SHOWN = ("auc", "logloss", "gauc", "pcoc")
_SHOWN_OF_RETRIEVAL = ("hr@10", "ndcg@10", "mrr@10", "recall@20")


@dataclasses.dataclass(frozen=True)
class RunResult:
    """What a run leaves behind.

    Attributes:
        summary: content of `summary.json`.
        paths: the run's files.
    """

    summary: Mapping[str, Any]
    paths: RunPaths


class RunError(ClickwrightError):
    """A component failed: which, why, where the log is, and how to go on."""


def run(
    path: pathlib.Path,
    *,
    data: pathlib.Path | None = None,
    out: pathlib.Path | None = None,
    span: str | None = None,
    tuner: Mapping[str, Any] | None = None,
    verbose: bool = False,
) -> RunResult:
    """Runs the pipeline that `path` configures.

    Args:
        path: YAML of the run.
        data: folder of the raw files; the configuration's own when None.
        out: folder for everything written; `out/<name>` when None.
        span: `latest`, a number or a range, where the run goes by spans; the latest
            when None.
        tuner: runs to the Tuner alone, with these fields in front of the
            configuration's section `tuner`; None for the whole pipeline.
        verbose: show what the libraries print instead of keeping it in the log.

    Raises:
        ClickwrightError: what the user gave is wrong, or a component failed.
    """
    started, clock = datetime.datetime.now(datetime.UTC), time.monotonic()
    request = None if span is None else SpanRequest.parse(span)
    config = LoadedConfig(path, tuner)
    paths = RunPaths((out or pathlib.Path("out") / config.run.name).resolve())
    run_id = started.strftime("%Y%m%dT%H%M%S.%fZ")
    log = paths.run(run_id) / "log.txt"
    with exclusive(paths.out), quiet(log, verbose) as console:
        console.print(
            f"[bold]{config.run.name}[/] · {config.run.model.name} · {path}",
            highlight=False,
        )
        with watched(console, "Prepare") as line:
            files = find_input(config, data, paths, request)
            line.rows = files.rows
            line.state = "cached" if files.reused else "complete"
        prepare_seconds = time.monotonic() - clock
        if tuner is None:
            _note(files, paths, "started", run_id)
        session = _session_class(console)(config, files, paths, run_id, started)
        with _full_disk_told(paths.out):
            failure = session.execute(
                RunConsole(console),
                prepare_seconds,
                TUNER if tuner is not None else None,
            )
        summary: Mapping[str, Any] = {}
        try:
            with _full_disk_told(paths.out):
                summary = session.conclude(time.monotonic() - clock, failure, log)
        except Exception:
            # What ended the run is the news, not that its report failed as well.
            if failure is None:
                raise
            _logger.exception("The report could not be written")
        if tuner is None:
            _note(files, paths, "failed" if failure else _end_of(summary), run_id)
    if failure is not None:
        raise RunError(
            f"{failure.node} failed. {failure.what}",
            where=f"{failure.where + '; ' if failure.where else ''}log: {log}",
            fix=failure.fix or "read the end of the log; run again to resume",
        )
    return RunResult(summary, paths)


def _note(files: InputFiles, paths: RunPaths, state: State, run_id: str) -> None:
    """Writes a run on spans into their journal."""
    if files.spans is not None:
        journal = SpanJournal.read(paths.spans)
        journal.records.append(files.spans.record(state, run_id))
        journal.write(paths.spans)


def _end_of(summary: Mapping[str, Any]) -> State:
    """Whether the model may be another's parent: it was blessed, and could serve."""
    serving = summary["serving"]
    fine = summary["blessed"] and (serving is None or serving["blessed"])
    return "blessed" if fine else "not_blessed"


@contextlib.contextmanager
def _full_disk_told(path: pathlib.Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        full = full_disk(error, path)
        if full is None:
            raise
        raise full from error


def _session_class(console: rich.console.Console) -> "type[Session]":
    """Imports TFX, once a process, and not before the input is known to be good.

    It takes some ten seconds and a gigabyte.
    """
    name = "clickwright.pipeline.session"
    if name not in sys.modules:
        with watched(console, "Load TFX"):
            importlib.import_module(name)
    from clickwright.pipeline.session import Session

    return Session


def show(results: Sequence[RunResult], console: rich.console.Console) -> None:
    """Prints the models' test metrics side by side, and where everything is."""
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD)
    table.add_column("test split", no_wrap=True)
    of_retrieval = [
        _SHOWN_OF_RETRIEVAL[0] in r.summary["metrics"]["test"] for r in results
    ]
    shown: tuple[str, ...] = () if all(of_retrieval) else _SHOWN
    shown += _SHOWN_OF_RETRIEVAL if any(of_retrieval) else ()
    for name in shown:
        table.add_column(name, justify="right")
    table.add_column("")

    def row(name: str, metrics: Mapping[str, float | None], end: str) -> None:
        values = (metrics.get(key) for key in shown)
        table.add_row(name, *("–" if v is None else f"{v:.4f}" for v in values), end)

    bayes = results[-1].summary["bayes"]
    if bayes:
        row("Bayes (the truth)", bayes["test"], "")
    for result in results:
        summary = result.summary
        serving = summary["serving"]
        verdict = "[green]blessed[/]" if summary["blessed"] else "[red]not blessed[/]"
        if serving and not serving["blessed"]:
            verdict = "[red]failed in the server[/]"
        row(summary["model"], summary["metrics"]["test"], verdict)
        for name, metrics in summary["ablations"].items():
            row(f"  {name}", metrics, "")
    console.print(table)
    for result in results:
        summary = result.summary
        in_server = summary["serving"]["failures"] if summary["serving"] else []
        for failure in (*summary["failures"], *in_server):
            console.print(
                f"{summary['model']}: {failure}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
        if summary["published"]:
            console.print(
                f"{summary['model']} published: {summary['published']}",
                highlight=False,
                soft_wrap=True,
            )
    console.print(
        f"report: {results[-1].paths.report}", highlight=False, soft_wrap=True
    )
