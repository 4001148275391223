"""How fast the simulated shop fills its click log, Parquet included."""

import pathlib
import tempfile
import time
from typing import Annotated

import rich.console
import rich.table
import typer

from clickwright.schemas.marketplace.source import MarketplaceOptions, MarketplaceSource


def main(
    impressions: Annotated[int, typer.Option(help="Rows of the log.")] = 1_000_000,
) -> None:
    """Simulate a log of the default shop and write it as Parquet.

    python benchmarks/simulate.py --impressions 100000
    """
    source = MarketplaceSource(MarketplaceOptions(impressions=impressions))
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        prepared = source.prepare(None, pathlib.Path(folder))
        seconds = time.perf_counter() - started
    table = rich.table.Table(title="Simulated click log")
    for column in ("impressions", "seconds", "rows/s", "click rate", "Bayes AUC"):
        table.add_column(column, justify="right")
    table.add_row(
        f"{impressions:,}",
        f"{seconds:.1f}",
        f"{impressions / seconds:,.0f}",
        f"{prepared.details['click_rate']:.3f}",
        f"{prepared.details['bayes']['auc']:.4f}",
    )
    rich.console.Console().print(table)


if __name__ == "__main__":
    typer.run(main)
