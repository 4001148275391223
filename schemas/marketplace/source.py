"""The simulated shop's click log as Parquet."""

import hashlib
import pathlib
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from clickwright.schemas.source import PreparedData, Source, progress
from clickwright.schemas.strict_yaml import StrictModel

if TYPE_CHECKING:
    import pyarrow


class MarketplaceOptions(StrictModel):
    """Size of the simulated shop and of its log."""

    impressions: Annotated[int, Field(ge=1_000, le=20_000_000)] = 200_000
    """Rows of the log."""
    users: Annotated[int, Field(ge=10, le=500_000)] = 5_000
    items: Annotated[int, Field(ge=50, le=200_000)] = 2_000
    days: Annotated[int, Field(ge=1, le=366)] = 14
    """Length of the log, from Monday 2024-01-01."""
    seed: Annotated[int, Field(ge=0)] = 7
    """The same seed gives the same log."""
    by_day: bool = False
    """Whether each day of the log is a span of its own."""


class MarketplaceSource(Source):
    """Simulates a shop's click log whose true click probabilities are known.

    Writes `all/part-*.parquet`, in the order of time (`span-<day>/all/part-*.parquet`
    from day 1 on with `by_day`), and beside it `items.parquet`:
    `item`, `category`, `brand`, `price` and `vector` (128 float32), one row an item
    in the order of their ids. Besides the columns of the spec the log holds
    `request` (the page, int64), `history_times` (seconds since 1970, as long as
    `history`) and `true_probability` (float64).

    The details are `click_rate` and `bayes`, the metrics of the true probabilities
    on all rows (`bayes.probability_metrics`).
    """

    Options = MarketplaceOptions
    name = "marketplace"
    needs_raw = False

    @property
    def in_spans(self) -> bool:
        """Whether each day is a span."""
        return self._chosen.by_day

    @property
    def _chosen(self) -> MarketplaceOptions:
        if not isinstance(self.options, MarketplaceOptions):
            raise TypeError(
                f"Received the options of another data set: {self.options!r}."
            )
        return self.options

    def raw_fingerprint(self, raw: pathlib.Path | None) -> str:
        """Digest of the simulator itself: what another one made is another log."""
        digest = hashlib.sha256()
        for module in sorted(self.folder().glob("*.py")):
            digest.update(module.read_bytes())
        return digest.hexdigest()

    def bayes_metrics(
        self, prepared: PreparedData
    ) -> dict[str, dict[str, float]] | None:
        """Metrics of the true click probabilities; see `bayes.bayes_metrics`.

        Of a log by days each span has its own.
        """
        from clickwright.schemas.marketplace.bayes import bayes_metrics

        return bayes_metrics(prepared)

    def write(
        self, raw: pathlib.Path | None, directory: pathlib.Path
    ) -> tuple[dict[str, int], dict[str, Any]]:
        """Simulates the log; see the class."""
        # NumPy and Arrow come in here, so that listing the data sets stays quick.
        import pyarrow as pa
        import pyarrow.parquet as pq

        from clickwright.schemas.marketplace import tables
        from clickwright.schemas.marketplace.bayes import probability_metrics
        from clickwright.schemas.marketplace.simulator import Marketplace

        options = self._chosen
        shop = Marketplace(options.users, options.items, options.seed)
        pq.write_table(tables.items_table(shop.world), directory / "items.parquet")
        rows: dict[str, int] = {}
        shown = 0
        log = tables.log_tables(shop.world, shop.log(options.impressions, options.days))
        for number, table in enumerate(log):
            table = table.slice(0, options.impressions - shown)
            for folder, part in _folders(table, options.by_day):
                (directory / folder / "all").mkdir(parents=True, exist_ok=True)
                # Without the Arrow schema readers see strings, not dictionaries.
                pq.write_table(
                    part,
                    directory / folder / "all" / f"part-{number:05d}.parquet",
                    store_schema=False,
                )
                name = folder or "all"
                rows[name] = rows.get(name, 0) + part.num_rows
            shown += table.num_rows
            progress.info(
                "Simulated %d of %d impressions.",
                shown,
                options.impressions,
                extra={"rows": shown, "total": options.impressions},
            )
        truth = pa.concat_tables(
            pq.read_table(file, columns=["click", "true_probability", "user"])
            for file in sorted(directory.glob("**/all/*.parquet"))
        )
        click, probability, user = (column.to_numpy() for column in truth.columns)
        return rows, {
            "click_rate": float(click.mean()),
            "bayes": probability_metrics(click, probability, user),
        }


def _folders(table: "pyarrow.Table", by_day: bool) -> "list[tuple[str, pyarrow.Table]]":
    """The folder of each part of a table, its days apart if `by_day`."""
    from clickwright.schemas.marketplace.truth import DAY, START

    if not by_day:
        return [("", table)]
    day = (table["timestamp"].to_numpy() - START) // DAY + 1
    return [(f"span-{n}", table.filter(day == n)) for n in sorted(set(day.tolist()))]
