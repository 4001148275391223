"""Reads what the data validation found, without importing TFDV."""

import pathlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from clickwright.pipeline.report.statistics import SPLIT_PREFIX
from clickwright.schemas.errors import DataError

ANOMALIES_FILE = "SchemaDiff.pb"


@dataclass(frozen=True)
class AnomalyRecord:
    """One way in which the data differ from their schema or from other data."""

    feature: str
    """The column; empty for what concerns all of a split."""
    split: str
    short: str
    """What is wrong, in a few words."""
    description: str = ""
    severity: Literal["error", "warning"] = "error"


@dataclass(frozen=True)
class ComparisonRecord:
    """How far a column's distribution lies from another, and how far it may."""

    feature: str
    split: str
    kind: Literal["drift", "skew"]
    """`drift`: from the last good run. `skew`: from the training split."""
    measure: str
    """`L-infinity` or `Jensen-Shannon divergence`."""
    value: float
    threshold: float

    @property
    def used(self) -> float:
        """Share of the bound that the distance takes: above 1 it is exceeded."""
        return self.value / self.threshold if self.threshold else float(self.value > 0)


@dataclass(frozen=True)
class DataCheck:
    """What the validation of the data found and measured."""

    anomalies: tuple[AnomalyRecord, ...] = ()
    comparisons: tuple[ComparisonRecord, ...] = ()


_MEASURES = {
    "L_INFTY": "L-infinity",
    "JENSEN_SHANNON_DIVERGENCE": "Jensen-Shannon divergence",
    "NORMALIZED_ABSOLUTE_DIFFERENCE": "normalised absolute difference",
}


def read_data_check(folder: pathlib.Path | str) -> DataCheck:
    """Reads every `Split-<name>/SchemaDiff.pb` of an `ExampleAnomalies` artifact.

    Raises:
        DataError: a file holds no anomalies proto.
    """
    from google.protobuf.message import DecodeError
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    anomalies: list[AnomalyRecord] = []
    comparisons: list[ComparisonRecord] = []
    paths = pathlib.Path(folder).glob(f"{SPLIT_PREFIX}*/{ANOMALIES_FILE}")
    for path in sorted(paths):
        split = path.parent.name.removeprefix(SPLIT_PREFIX)
        try:
            proto = anomalies_pb2.Anomalies.FromString(path.read_bytes())
        except DecodeError as error:
            raise DataError(
                f"not an Anomalies proto: {error}",
                where=str(path),
                fix="Run the pipeline again with the artifact's folder removed.",
            ) from error
        anomalies += _anomalies(split, proto)
        comparisons += _comparisons(split, proto)
    return DataCheck(tuple(anomalies), tuple(comparisons))


def _anomalies(split: str, proto: Any) -> Iterator[AnomalyRecord]:
    if proto.data_missing:
        yield AnomalyRecord("", split, "No rows")
    named = [("", proto.dataset_anomaly_info), *sorted(proto.anomaly_info.items())]
    for feature, info in named:
        warning = info.severity == info.WARNING
        for reason in info.reason:
            yield AnomalyRecord(
                feature,
                split,
                reason.short_description,
                reason.description,
                "warning" if warning else "error",
            )


def _comparisons(split: str, proto: Any) -> Iterator[ComparisonRecord]:
    kinds: tuple[tuple[Literal["drift", "skew"], str], ...] = (
        ("drift", "drift_measurements"),
        ("skew", "skew_measurements"),
    )
    for info in proto.drift_skew_info:
        for kind, field in kinds:
            for measurement in getattr(info, field):
                name = measurement.Type.Name(measurement.type)
                yield ComparisonRecord(
                    ".".join(info.path.step),
                    split,
                    kind,
                    _MEASURES.get(name, name),
                    measurement.value,
                    measurement.threshold,
                )
