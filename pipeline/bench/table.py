"""The board on the terminal."""

from collections.abc import Sequence

import rich.box
import rich.table

from clickwright.pipeline.bench.records import BoardRow
from clickwright.schemas.html_page import formats

_MARKS = {
    "met": "[green]✓[/]",
    "missed": "[bold red]✗ missed[/]",
    "open": "[dim]not run[/]",
    "free": "",
}


def board_table(rows: Sequence[BoardRow]) -> rich.table.Table:
    """Published and own figures side by side; misses are marked."""
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD)
    table.add_column("run", no_wrap=True)
    for column in (
        *("published", "ours", "difference", "required", "log loss", "parameters"),
        *("published", "examples/s"),
    ):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in rows:
        trained = bool(row.seeds)
        table.add_row(
            row.key,
            published_auc(row),
            auc_with_deviation(row.auc, row.auc_std),
            formats.signed(row.difference),
            formats.metric(row.required_auc),
            formats.metric(row.logloss),
            formats.count(row.parameters),
            formats.count(row.published_parameters),
            formats.count(row.examples_per_second),
            _MARKS[row.state] if trained else _MARKS["open"],
            style=None if trained else "dim",
        )
    return table


def auc_with_deviation(auc: float | None, std: float | None) -> str:
    """`0.9839 ± 0.0002`, or the mean alone."""
    text = formats.metric(auc)
    return text if std is None else f"{text} ± {std:.4f}"


def published_auc(row: BoardRow) -> str:
    """The published mean with its deviation, or the one published run."""
    if row.published_auc_mean is None:
        return formats.metric(row.published_auc)
    return auc_with_deviation(row.published_auc_mean, row.published_auc_std)
