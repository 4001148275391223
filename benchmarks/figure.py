"""Figures of a benchmark, and whether they are as wanted."""

import dataclasses
import json
import os
import pathlib
import platform
from collections.abc import Sequence

import rich.console
import rich.table
from document_parts import table as markdown_table

console = rich.console.Console()


@dataclasses.dataclass(frozen=True)
class Figure:
    """One row of the table.

    Attributes:
        what: what was measured.
        value: the figure.
        unit: of the figure.
        least: the figure wanted, at least; None for none.
        most: the same, at most.
    """

    what: str
    value: float
    unit: str = ""
    least: float | None = None
    most: float | None = None

    @property
    def verdict(self) -> str:
        """Whether it is as wanted."""
        if self.least is None and self.most is None:
            return ""
        met = (self.least is None or self.value >= self.least) and (
            self.most is None or self.value <= self.most
        )
        wanted = f">= {self.least:g}" if self.most is None else f"<= {self.most:g}"
        return f"{'yes' if met else 'NO'} ({wanted})"

    def cells(self) -> tuple[str, str, str, str]:
        """The row as text."""
        digits = 0 if self.value >= 1000 or float(self.value).is_integer() else 2
        shown = f"{self.value:,.{digits}f}"
        if 0 < self.value < 0.005:
            shown = f"{self.value:.1e}"
        return self.what, shown, self.unit, self.verdict


def tell(
    figures: Sequence[Figure],
    program: str,
    markdown: pathlib.Path | None,
    json_file: pathlib.Path | None,
) -> None:
    """Shows all figures.

    Args:
        figures: the rows.
        program: the server that was measured.
        markdown: where a table goes too.
        json_file: where the figures go too.
    """
    header = ("what", "figure", "unit", "as wanted")
    shown = rich.table.Table(title=f"{program}, {os.cpu_count()} cores")
    for column in header:
        shown.add_column(column, justify="right" if column == "figure" else "left")
    for figure in figures:
        shown.add_row(*figure.cells())
    console.print(shown)
    if markdown is not None:
        rows = [figure.cells() for figure in figures]
        markdown.write_text(markdown_table(header, rows), encoding="utf-8")
    if json_file is not None:
        content = {
            "machine": {"cpu": platform.processor(), "cpus": os.cpu_count()},
            "server": program,
            "figures": [dataclasses.asdict(figure) for figure in figures],
        }
        json_file.write_text(json.dumps(content, indent=2) + "\n")
