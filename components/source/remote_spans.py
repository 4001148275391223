"""The rows of a run that goes by spans, in a container."""

import pathlib
import shutil
import tempfile

from clickwright.components.ledger.ledger import Ledger
from clickwright.components.source.data_set import prepare_data_set
from clickwright.components.source.prepared_files import ITEMS_FILE, PreparedFiles
from clickwright.components.source.remote_folder import RemoteFolder, given, spans
from clickwright.components.source.source_facts import SourceFacts
from clickwright.components.spans.find_spans import choose, find_spans
from clickwright.components.spans.lay_spans import lay_spans
from clickwright.components.spans.span_folder import SpanFolder
from clickwright.components.spans.span_journal import SpanJournal
from clickwright.components.spans.span_request import SpanRequest
from clickwright.schemas.incremental import Incremental


def lay_remote_spans(
    facts: SourceFacts,
    params: Incremental,
    data: str,
    span: str,
    folder: pathlib.Path,
) -> PreparedFiles:
    """Copies the spans that a run needs, and lays their rows out as splits of one.

    What earlier runs have read, and which model to go on from, is in the ledger.

    Args:
        facts: what data they are.
        params: how the run goes by spans.
        data: address of the log.
        span: `latest`, a number or a range.
        folder: where the rows go.

    Raises:
        ConfigError: there is no address, `span` is none of these, or lies before what
            the blessed model has seen.
        DataError: spans or files are absent, or hold other rows than before.
        MachineError: a storage does not answer, or the disk takes no more.
    """
    request = SpanRequest.parse(span)
    journal = SpanJournal(Ledger(facts.ledger, facts.pipeline).spans())
    with tempfile.TemporaryDirectory(prefix="clickwright-") as scratch:
        log = _log(facts, params, data, request, journal, pathlib.Path(scratch))
        plan = find_spans(
            log, facts.spec, params, request, journal, pathlib.Path(scratch, "laid")
        )
        laid = lay_spans(
            plan,
            log,
            facts.spec,
            params.reservoir,
            file_format=facts.format,
            link=False,
        )
        newest = f"span-{laid.choice.newest}"
        shutil.copytree(laid.folder / newest, folder / newest)
        beside = (laid.source / ITEMS_FILE, log.folder / ITEMS_FILE)
        for items in beside:
            if items.is_file():
                shutil.copyfile(items, folder / ITEMS_FILE)
                break
    return PreparedFiles(
        splits=tuple(laid.rows),
        fingerprint=laid.fingerprint,
        folder=newest,
        span=laid.choice.newest,
        record=laid.record("started", ""),
    )


def _log(
    facts: SourceFacts,
    params: Incremental,
    data: str,
    request: SpanRequest,
    journal: SpanJournal,
    scratch: pathlib.Path,
) -> SpanFolder:
    """The log on this machine, those of its spans that the run needs."""
    if facts.dataset is not None:
        prepared = prepare_data_set(facts, facts.dataset, data, scratch)
        return SpanFolder(prepared.directory)
    remote = RemoteFolder(given(data, "the run"))
    names = remote.names()
    found = spans(names)
    choice = choose(found, facts.spec, params, request, journal, data)
    needed = {found[number] for number, _ in choice.parts()}
    others = set(found.values()) - needed
    target = scratch / "log"
    remote.copy([n for n in names if n.partition("/")[0] not in others], target)
    return SpanFolder(target)
