"""Runs a pipeline over many spans, one after the other."""

import pathlib
from collections.abc import Sequence
from typing import Any

import rich.box
import rich.console
import rich.table

from clickwright.components.spans.span_choice import ranges
from clickwright.components.spans.span_journal import SpanJournal
from clickwright.components.spans.span_request import SpanRequest
from clickwright.pipeline.config import LoadedConfig
from clickwright.pipeline.inputs import span_folder
from clickwright.pipeline.lock import exclusive
from clickwright.pipeline.paths import RunPaths
from clickwright.pipeline.run import run
from clickwright.schemas.errors import ConfigError, DataError


def backfill(
    path: pathlib.Path,
    spans: str,
    *,
    data: pathlib.Path | None = None,
    out: pathlib.Path | None = None,
    verbose: bool = False,
) -> list[dict[str, Any]]:
    """Runs the pipeline on each span of a range, in order.

    Spans that an earlier call has finished are left out, and those before the span of
    the blessed model. The first failure ends it; the same call goes on from there.

    Args:
        path: YAML of the run.
        spans: a range, such as `1..14`.
        data: folder of the raw files; the configuration's own when None.
        out: folder for everything written; `out/<name>` when None.
        verbose: show what the libraries print instead of keeping it in the log.

    Returns:
        The summaries of the runs made now, in order.

    Raises:
        ClickwrightError: what the user gave is wrong, spans are missing, or a run
            failed.
    """
    request = SpanRequest.parse(spans)
    if request.first is None or request.last is None:
        raise ConfigError(
            f"`--spans` must be a range. Received: {spans!r}.",
            where="--spans",
            fix="give the first and the last, such as `1..14`",
        )
    config = LoadedConfig(path)
    if config.run.incremental is None:
        raise ConfigError(
            "The run does not go by spans.",
            where=str(path),
            fix="say `incremental: {}` in the configuration",
        )
    paths = RunPaths((out or pathlib.Path("out") / config.run.name).resolve())
    wanted = range(request.first, request.last + 1)
    with exclusive(paths.out):
        log = span_folder(config, data, paths)
        missing = sorted(set(wanted) - set(log.paths))
        if missing:
            raise DataError(
                f"There is a gap: {ranges(missing)} of the spans {spans} "
                f"{'is' if len(missing) == 1 else 'are'} not there.",
                where=str(log.folder),
                fix=f"bring what is missing; there are the spans {ranges(log.paths)}",
            )
    summaries = []
    console = rich.console.Console(stderr=True)
    for span in wanted:
        journal = SpanJournal.read(paths.spans)
        ended, blessed = journal.ended(span), journal.newest_blessed()
        if ended is None and (blessed is None or span >= blessed):
            result = run(path, data=data, out=out, span=str(span), verbose=verbose)
            summaries.append(dict(result.summary))
        else:
            console.print(f"= span {span} was run before", highlight=False)
    return summaries


def show(summaries: Sequence[dict[str, Any]], console: rich.console.Console) -> None:
    """Prints what came of each span."""
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD)
    table.add_column("span", justify="right")
    table.add_column("from")
    for name in ("rows", "seconds", "test auc", "logloss"):
        table.add_column(name, justify="right")
    table.add_column("")
    for summary in summaries:
        spans, test = summary["spans"], summary["metrics"]["test"]
        parent = spans["parent"]
        fine = summary["published"] is not None
        table.add_row(
            str(spans["newest"]),
            "scratch" if parent is None else f"span {parent}",
            f"{spans['rows']['train']:,}",
            f"{sum(c['seconds'] for c in summary['components']):.0f}",
            *(f"{test[name]:.4f}" for name in ("auc", "logloss")),
            "[green]published[/]" if fine else "[red]not published[/]",
        )
    console.print(table)
