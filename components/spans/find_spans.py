"""Finds the rows of a run in a log that lies in spans."""

import pathlib
from collections.abc import Iterable

from clickwright.components.spans.laid_spans import LaidSpans
from clickwright.components.spans.lay_spans import folders_of, plan_spans
from clickwright.components.spans.read_spans import read_spans
from clickwright.components.spans.span_choice import (
    SpanChoice,
    choose_spans,
    newest_span,
)
from clickwright.components.spans.span_folder import SpanFolder
from clickwright.components.spans.span_journal import SpanJournal
from clickwright.components.spans.span_request import SpanRequest
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.incremental import Incremental
from clickwright.schemas.spec import FeatureSpec, TimeSplit


def find_spans(
    spans: SpanFolder,
    spec: FeatureSpec,
    params: Incremental,
    request: SpanRequest,
    journal: SpanJournal,
    out: pathlib.Path,
) -> LaidSpans:
    """Chooses the spans of a run, checks them, and tells where they are laid out.

    Nothing is written: `lay_spans` does that.

    Args:
        spans: the log.
        spec: the columns, and how the log's rows are divided.
        params: window, warm start and reservoir.
        request: what the user asked for.
        journal: what models have seen.
        out: folder for prepared data.

    Raises:
        ConfigError: the span asked for lies before one that a blessed model has seen.
        DataError: spans are absent, or hold other rows than when a model saw them.
    """
    where = str(spans.folder)
    choice = choose(spans.paths, spec, params, request, journal, where)
    read = read_spans(spans, choice, journal.seen(), folders_of(spec))
    return plan_spans(spans, choice, read, spec, params.reservoir, out)


def choose(
    there: Iterable[int],
    spec: FeatureSpec,
    params: Incremental,
    request: SpanRequest,
    journal: SpanJournal,
    where: str,
) -> SpanChoice:
    """Chooses the spans of a run by the numbers of those that are there.

    Other arguments, and what is raised, are those of `find_spans`; `where` is the
    log, for messages.
    """
    known = sorted(there)
    newest = newest_span(known, request, where)
    blessed = journal.newest_blessed()
    if blessed is not None and newest < blessed:
        raise ConfigError(
            f"The span {newest} lies before the span {blessed}, which the blessed model "
            "has seen; a model of older rows would take its place.",
            where=where,
            fix="ask for `--span latest`, or give another folder with --out",
        )
    parent = journal.newest_blessed(before=newest) if params.warm_start else None
    by_time = isinstance(spec.split, TimeSplit)
    return choose_spans(known, request, params, parent, by_time=by_time, where=where)
