"""The board as a document: Markdown, the same figures as JSON, and curves."""

import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

from clickwright.pipeline.bench.curves_svg import curves_svg
from clickwright.pipeline.bench.records import BoardRecord, BoardRow, Machine
from clickwright.pipeline.bench.table import auc_with_deviation, published_auc
from clickwright.schemas import atomic_file
from clickwright.schemas.html_page import formats

_STATES = {"met": "met", "missed": "**missed**", "open": "open", "free": ""}


def write_document(record: BoardRecord, folder: pathlib.Path) -> pathlib.Path:
    """Writes `<board>.md`, `<board>.json` and `<board>_curves.svg`.

    Returns:
        The Markdown file.

    Raises:
        MachineError: the folder cannot be written, or the disk is full.
    """
    document = folder / f"{record.name}.md"
    content = record.model_dump(mode="json")
    atomic_file.write_json(document.with_suffix(".json"), content)
    atomic_file.write_text(folder / _curves_file(record), curves_svg(record.rows))
    atomic_file.write_text(document, render(record))
    return document


def render(record: BoardRecord) -> str:
    """The Markdown; it holds nothing that the record does not."""
    sections = (
        _results(record),
        _curves(record),
        _parameters(record),
        _settings(record),
        _environment(record),
        _repeat(record),
    )
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def _results(record: BoardRecord) -> Iterator[str]:
    trained = [row for row in record.rows if row.seeds]
    missed = [row.key for row in trained if row.state == "missed"]
    judged = sum(row.state in ("met", "missed") for row in trained)
    yield f"# {record.name}: published figures and ours"
    yield ""
    yield f"{record.title}."
    yield ""
    yield (
        f"{len(trained)} of {len(record.rows)} runs were trained; "
        f"{judged - len(missed)} of {judged} reach what is required of them"
        + (f", {', '.join(missed)} not." if missed else ".")
    )
    if record.train_note:
        yield ""
        yield record.train_note
    yield ""
    yield "AUC and log loss are exact, on the published test split."
    yield (
        "A deviation is that of the population, over the seeds here and over the "
        "published repeats there; *difference* is our mean less the published mean, "
        "or less the one published run. Time is training and validation, memory the "
        "largest of the whole process, TensorFlow included."
    )
    yield ""
    shared = len(record.machines) > 1
    yield from _table(
        (
            *("run", "AUC published", "AUC ours", "seeds", "difference", "required"),
            *("", "log loss published", "log loss ours", "epochs", "time"),
            *("examples/s", "memory", *(["machine"] if shared else [])),
        ),
        (_result_cells(row, shared) for row in record.rows),
    )


def _result_cells(row: BoardRow, shared: bool) -> tuple[str, ...]:
    required = formats.metric(row.required_auc)
    if row.required_of is not None:
        required = f"{required} ({row.required_of})"
    memory = row.peak_memory_bytes
    return (
        row.key,
        published_auc(row),
        auc_with_deviation(row.auc, row.auc_std) if row.seeds else "not run",
        str(len(row.seeds)) if row.seeds else formats.UNKNOWN,
        formats.signed(row.difference),
        required,
        _STATES[row.state],
        formats.metric(row.published_logloss),
        formats.metric(row.logloss),
        formats.UNKNOWN if row.epochs is None else f"{row.epochs:.4g}",
        formats.duration(row.seconds),
        formats.count(row.examples_per_second),
        formats.UNKNOWN if memory is None else formats.size(memory),
        *([", ".join(str(n + 1) for n in row.machines)] if shared else []),
    )


def _curves(record: BoardRecord) -> Iterator[str]:
    yield "## Learning curves"
    yield ""
    yield f"![AUC on the validation split by epoch]({_curves_file(record)})"
    yield ""
    yield (
        "AUC on the validation split after each epoch, one line a seed, the best epoch "
        "of the first seed marked; dotted lines are where its learning rate falls."
    )


def _parameters(record: BoardRecord) -> Iterator[str]:
    yield "## Parameters"
    yield ""
    yield (
        "Every table of ours has a row for missing values and one for values that "
        "training has not seen; of the published logs the older ones have one row for "
        "both. *Expected* is the published number in tables with as many rows as "
        "ours: where ours equals it, the networks are of one size."
    )
    yield ""
    yield from _table(
        ("run", "published", "expected", "ours", "remark"),
        (
            (
                row.key,
                formats.count(row.published_parameters),
                formats.count(row.expected_parameters),
                formats.count(row.parameters),
                row.note,
            )
            for row in record.rows
        ),
    )


def _settings(record: BoardRecord) -> Iterator[str]:
    yield "## Settings"
    yield ""
    yield f"All runs, unless the table says otherwise: {_setting_list(record.training)}."
    yield (
        "Models have their defaults, which are the published settings wherever there "
        "are some (`clickwright zoo` lists them), but for:"
    )
    yield ""
    yield from _table(
        ("run", "model", "settings", "source of the figures"),
        (
            (row.key, row.model, _setting_list(row.settings), row.source or "")
            for row in record.rows
        ),
    )


def _environment(record: BoardRecord) -> Iterator[str]:
    yield "## Machines"
    yield ""
    for number, machine in enumerate(record.machines, start=1):
        yield f"{number}. {_machine(machine)}"
    if not record.machines:
        yield "Nothing was trained yet."


def _machine(machine: Machine) -> str:
    packages = ", ".join(f"{n} {v}" for n, v in sorted(machine.packages.items()))
    return (
        f"{machine.processor}, {machine.cores} cores, {machine.memory_gib:g} GiB, "
        f"{machine.accelerator or 'no GPU'}; Python {machine.python}, {packages}"
    )


def _repeat(record: BoardRecord) -> Iterator[str]:
    seeds = max((len(row.seeds) for row in record.rows), default=1) or 1
    yield "## Repeat it"
    yield ""
    yield "```sh"
    yield f"clickwright data get {record.data}"
    yield (
        f"clickwright bench bars --dataset {record.name} --seeds {seeds} "
        "--docs docs/benchmarks"
    )
    yield "```"
    yield ""
    yield (
        "Finished trainings are reused, an unfinished one goes on; `--models` takes "
        f"some of the runs. Digest of the data: `{record.fingerprint}`. The figures "
        f"for programs: [{record.name}.json]({record.name}.json)."
    )


def _curves_file(record: BoardRecord) -> str:
    return f"{record.name}_curves.svg"


def _setting_list(settings: dict[str, Any]) -> str:
    return ", ".join(f"`{name}: {_plain(v)}`" for name, v in settings.items())


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_plain(v) for v in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    yield _line(head)
    yield _line(["---"] * len(head))
    for cells in rows:
        yield _line([cell.replace("|", "\\|") for cell in cells])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
