"""Reads the statistics that StatisticsGen leaves, without importing TFDV.

TFDV takes 15 s to import; the protos alone take a tenth of a second.
"""

import math
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clickwright.schemas.errors import DataError

STATISTICS_FILE = "FeatureStats.pb"
SPLIT_PREFIX = "Split-"


@dataclass(frozen=True)
class Bucket:
    """Values from `low` to `high`, and how many there are."""

    low: float
    high: float
    count: float


@dataclass(frozen=True)
class NumericSummary:
    """What TFDV knows of a column of numbers, in the column's unit."""

    mean: float
    std_dev: float
    minimum: float
    median: float
    maximum: float
    zeros: int
    histogram: tuple[Bucket, ...] = ()
    """Buckets of equal width."""
    quantiles: tuple[Bucket, ...] = ()
    """Buckets that hold equally many values."""


@dataclass(frozen=True)
class ValueSummary:
    """What TFDV knows of a column of names or ids."""

    unique: int
    total: int
    """Values in all rows: not the rows, where some lack a value or hold several."""
    counts: Mapping[str, float]
    """How often each value occurs, most frequent first; TFDV keeps the first 1,000 at most."""


@dataclass(frozen=True)
class FeatureStatistics:
    """One column of one split; either `numeric` or `values` is there, or neither."""

    name: str
    type: str
    """`int`, `float`, `string`, `bytes` or `struct`, as stored."""
    rows: int
    missing: int
    longest: int = 1
    """Most values in one row: above 1 for list columns."""
    numeric: NumericSummary | None = None
    values: ValueSummary | None = None

    @property
    def missing_share(self) -> float:
        """Rows without a value, from 0 to 1; 0 for a split without rows."""
        return self.missing / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class SplitStatistics:
    """All columns of one split, by name, in the file's order."""

    rows: int
    features: Mapping[str, FeatureStatistics]


def read_statistics(folder: pathlib.Path | str) -> dict[str, SplitStatistics]:
    """Reads every `Split-<name>/FeatureStats.pb` of an `ExampleStatistics` artifact.

    Returns:
        The splits by name; empty when the folder holds none.

    Raises:
        DataError: a file is not the statistics of exactly one data set.
    """
    paths = pathlib.Path(folder).glob(f"{SPLIT_PREFIX}*/{STATISTICS_FILE}")
    return {
        path.parent.name.removeprefix(SPLIT_PREFIX): _read_split(path)
        for path in sorted(paths)
    }


def _read_split(path: pathlib.Path) -> SplitStatistics:
    from google.protobuf.message import DecodeError
    from tensorflow_metadata.proto.v0 import statistics_pb2

    try:
        found = statistics_pb2.DatasetFeatureStatisticsList.FromString(
            path.read_bytes()
        )
    except DecodeError as error:
        raise DataError(
            f"not a DatasetFeatureStatisticsList: {error}",
            where=str(path),
            fix="Run the pipeline again with the artifact's folder removed.",
        ) from error
    if len(found.datasets) != 1:
        raise DataError(
            f"statistics of {len(found.datasets)} data sets; exactly 1 is expected.",
            where=str(path),
            fix="Write one data set a split, without slicing.",
        )
    rows = int(found.datasets[0].num_examples)
    features = [_feature(f, rows) for f in found.datasets[0].features]
    return SplitStatistics(rows=rows, features={f.name: f for f in features})


def _feature(proto: Any, rows: int) -> FeatureStatistics:
    kind = proto.WhichOneof("stats")
    stats = getattr(proto, kind)
    common = stats.common_stats
    # TFDV leaves num_missing at 0 for a column that a split lacks altogether.
    missing = max(int(common.num_missing), rows - int(common.num_non_missing))
    return FeatureStatistics(
        name=proto.name or ".".join(proto.path.step),
        type=proto.Type.Name(proto.type).lower(),
        rows=rows,
        missing=missing,
        longest=int(common.max_num_values),
        numeric=_numeric(stats) if kind == "num_stats" else None,
        values=_values(stats) if kind == "string_stats" else None,
    )


def _numeric(stats: Any) -> NumericSummary | None:
    if not stats.common_stats.tot_num_values:
        return None
    by_type = {
        histogram.HistogramType.Name(histogram.type): tuple(
            Bucket(b.low_value, b.high_value, b.sample_count)
            for b in histogram.buckets
            if math.isfinite(b.low_value) and math.isfinite(b.high_value)
        )
        for histogram in stats.histograms
    }
    return NumericSummary(
        mean=stats.mean,
        std_dev=stats.std_dev,
        minimum=stats.min,
        median=stats.median,
        maximum=stats.max,
        zeros=int(stats.num_zeros),
        histogram=by_type.get("STANDARD", ()),
        quantiles=by_type.get("QUANTILES", ()),
    )


def _values(stats: Any) -> ValueSummary:
    counts = {b.label: b.sample_count for b in stats.rank_histogram.buckets}
    if not counts:
        counts = {v.value: v.frequency for v in stats.top_values}
    return ValueSummary(
        unique=int(stats.unique),
        total=int(stats.common_stats.tot_num_values),
        counts=counts,
    )
