"""What a run would do, told before any work."""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import pyarrow.compute
import pyarrow.parquet
import rich.box
import rich.console
import rich.filesize
import rich.table

from clickwright.components.item_table.item_data import ItemData
from clickwright.components.spans.span_request import SpanRequest
from clickwright.models import registry
from clickwright.pipeline.config import LoadedConfig
from clickwright.pipeline.inputs import InputFiles, locate_input
from clickwright.pipeline.paths import RunPaths
from clickwright.pipeline.steps import RESOLVERS, WAITS_FOR, read_finished, signatures
from clickwright.schemas.spec import (
    AttributeFeature,
    FeatureSpec,
    LearnedVocabulary,
)

_FLOAT_BYTES = 4
_ID_BYTES = 4
_ADAM_COPIES = 3
"""The table itself and Adam's two moments."""


@dataclasses.dataclass(frozen=True)
class PlannedStep:
    """One component: whether it would run, and what that hangs on."""

    name: str
    state: str
    note: str = ""


@dataclasses.dataclass(frozen=True)
class PlannedTable:
    """One embedding table, or what the model holds of an item table.

    Attributes:
        feature: the feature that owns the ids; ` (frozen)` follows it where the values
            are those of the item table.
        ids: its ids, those of padding and unknown values included.
        rows: rows that the model keeps for them; fewer where it compresses.
        bound: whether `ids` is an upper bound, because the training split's values
            could not be counted.
        width: embedding width, the model's linear terms included.
        bytes: memory in training: the table, the optimizer's two moments, and counts
            of the ids where the model keeps them; a frozen one alone.
    """

    feature: str
    ids: int
    rows: int
    bound: bool
    width: int
    bytes: int


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run would do."""

    config: LoadedConfig
    paths: RunPaths
    steps: tuple[PlannedStep, ...]
    tables: tuple[PlannedTable, ...]


def make_plan(
    path: pathlib.Path,
    data: pathlib.Path | None,
    out: pathlib.Path | None,
    span: str | None = None,
) -> Plan:
    """Looks at the configuration, the data and the output folder; writes nothing.

    Arguments are those of `run`.

    Raises:
        ClickwrightError: the configuration or the data break their contract.
    """
    request = None if span is None else SpanRequest.parse(span)
    config = LoadedConfig(path)
    paths = RunPaths((out or pathlib.Path("out") / config.run.name).resolve())
    files = locate_input(config, data, paths, request)
    return Plan(config, paths, _steps(config, files, paths), _tables(config, files))


def show(plan: Plan, console: rich.console.Console) -> None:
    """Prints the steps and the tables."""
    run = plan.config.run
    steps = rich.table.Table(
        box=rich.box.SIMPLE_HEAD, title=f"{run.name} · {run.model.name}"
    )
    for column in ("step", "state", "note"):
        steps.add_column(column)
    for step in plan.steps:
        style = "cyan" if step.state == "cached" else "green"
        steps.add_row(step.name, f"[{style}]{step.state}[/]", step.note)
    console.print(steps)
    tables = rich.table.Table(box=rich.box.SIMPLE_HEAD, title="Embedding tables")
    tables.add_column("feature")
    for column in ("ids", "rows", "width", "memory in training"):
        tables.add_column(column, justify="right")
    for table in plan.tables:
        mark = "≤ " if table.bound else ""
        size = rich.filesize.decimal(table.bytes)
        tables.add_row(
            table.feature,
            f"{mark}{table.ids:,}",
            f"{mark}{table.rows:,}",
            str(table.width),
            f"{mark}{size}",
        )
    total = sum(table.bytes for table in plan.tables)
    ids = sum(table.ids for table in plan.tables)
    rows = sum(table.rows for table in plan.tables)
    tables.add_row(
        "[bold]all",
        f"[bold]{ids:,}",
        f"[bold]{rows:,}",
        "",
        rich.filesize.decimal(total),
    )
    console.print(tables)
    console.print(f"everything goes to {plan.paths.out}", highlight=False)


def _steps(
    config: LoadedConfig, files: InputFiles, paths: RunPaths
) -> tuple[PlannedStep, ...]:
    finished = read_finished(paths.steps)
    note = f"{files.rows:,} rows" if files.rows else ""
    if files.spans is not None:
        note = f"{note + ', ' if note else ''}{files.spans.choice}"
    steps = [PlannedStep("Prepare", "cached" if files.reused else "run", note)]
    known = signatures(config, files.fingerprint, files.item_fingerprints())
    for name, signature in known.items():
        if name in RESOLVERS:
            steps.append(PlannedStep(name, "run", "looks into ML Metadata"))
        elif signature in finished.get(name, []):
            steps.append(PlannedStep(name, "cached", WAITS_FOR.get(name, "")))
        else:
            steps.append(PlannedStep(name, "run"))
    return tuple(steps)


def _tables(config: LoadedConfig, files: InputFiles) -> tuple[PlannedTable, ...]:
    spec = config.spec
    counted = _count_values(config, files)
    sizes = {
        name: counted.get(name, f.vocabulary.max_size)
        for name, f in (*spec.vocabulary_features().items(), *_attributes(spec))
        if isinstance(f.vocabulary, LearnedVocabulary)
    }
    params = registry.parse_params(config.run.model.name, config.run.model.params)
    inputs = spec.model_inputs(sizes)
    tables = []
    for name, ids in spec.table_rows(sizes).items():
        width = params.width_of(name, len(inputs))
        rows = params.kept_rows(ids)
        size = rows * width * _FLOAT_BYTES * _ADAM_COPIES + params.state_bytes(ids)
        bound = name in sizes and name not in counted
        tables.append(PlannedTable(name, ids, rows, bound, width, size))
    for i in inputs:
        if not i.is_tensor:
            rows, width = i.entities or 0, i.width or i.length or 0
            each = width * np.dtype(i.storage).itemsize
            if i.kind == "attribute":
                each = width * _ID_BYTES
            elif i.storage == "int8":
                each += _FLOAT_BYTES  # the scale of the row
            bound = i.entity in sizes and i.entity not in counted
            name = f"{i.name} (frozen)"
            tables.append(PlannedTable(name, rows, rows, bound, width, rows * each))
    return tuple(tables)


def _attributes(spec: FeatureSpec) -> list[tuple[str, AttributeFeature]]:
    return [
        (name, feature)
        for name, feature in spec.item_features().items()
        if isinstance(feature, AttributeFeature)
    ]


def _count_values(config: LoadedConfig, files: InputFiles) -> dict[str, int]:
    """Values that learned vocabularies would hold, counted in Parquet if it is there.

    Where the split rule divides the rows later, all rows are counted: a few values
    more than the training split alone holds. So are those of all entities.
    """
    counts: dict[str, int] = {}
    for name, attribute in _attributes(config.spec):
        path = files.items[attribute.of].path
        if path.exists():
            data, column = ItemData(path), attribute.column or name
            data.type_of(column, f"the feature `{name}`")
            values = data.whole(column)
            if pyarrow.types.is_nested(values.type):
                values = values.flatten()
            counts[name] = _frequent(values, attribute.vocabulary)
    train = files.folder / files.splits[0]
    if files.format != "parquet" or files.span or not train.is_dir():
        return counts
    parts = sorted(train.glob("*.parquet"))
    for name, feature in config.spec.vocabulary_features().items():
        if isinstance(feature.vocabulary, LearnedVocabulary):
            column = config.spec.column_of(name)
            values = pyarrow.parquet.ParquetDataset(parts).read([column])[column]
            if feature.kind == "multi_hot":
                values = pyarrow.compute.list_flatten(values)
            counts[name] = _frequent(values, feature.vocabulary)
    return counts


def _frequent(values: Any, vocabulary: LearnedVocabulary) -> int:
    """How many of the values a learned vocabulary would hold."""
    found = pyarrow.compute.value_counts(values.drop_null())
    enough = pyarrow.compute.greater_equal(found.field("counts"), vocabulary.min_count)
    return pyarrow.compute.sum(enough).as_py() or 0
