"""Anomalies in words."""

import re
from collections.abc import Iterator

from tensorflow_metadata.proto.v0 import (
    anomalies_pb2,
    schema_pb2,
    statistics_pb2,
)

_Info = anomalies_pb2.AnomalyInfo
_TYPES = {"INT": "int64", "BYTES": "string", "STRING": "string", "FLOAT": "float32"}
_MANY = 8
"""Allowed values that are listed before the list is cut."""


def findings(
    split: str,
    anomalies: anomalies_pb2.Anomalies,
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    schema: schema_pb2.Schema,
) -> Iterator[str]:
    """Yields a line a finding: split, column, what was expected, what was found."""
    if anomalies.data_missing:
        yield f"{split}: expected rows; found none"
    for reason in anomalies.dataset_anomaly_info.reason:
        yield f"{split}: {reason.description}"
    features = {feature.name: feature for feature in schema.feature}
    for column, info in sorted(anomalies.anomaly_info.items()):
        feature = features.get(column, schema_pb2.Feature())
        for reason in info.reason:
            words = _explain(reason, column, feature, anomalies, statistics.datasets[0])
            if words is None:
                told = f"{reason.short_description}: {reason.description}".strip()
            else:
                told = f"expected {words[0]}; found {words[1]}"
            yield f"{split}: column `{column}`: {told.removesuffix('.')}"


def _explain(
    reason: anomalies_pb2.AnomalyInfo.Reason,
    column: str,
    feature: schema_pb2.Feature,
    anomalies: anomalies_pb2.Anomalies,
    statistics: statistics_pb2.DatasetFeatureStatistics,
) -> tuple[str, str] | None:
    """Returns what was expected and what was found; None leaves it to TFDV's words."""
    description = reason.description.strip().removesuffix(".")
    match reason.type:
        case _Info.SCHEMA_MISSING_COLUMN:
            return "the column", "no value in any row"
        case _Info.SCHEMA_NEW_COLUMN:
            return "no such column", "one that the feature spec does not name"
        case _Info.FEATURE_TYPE_LOW_FRACTION_PRESENT:
            wanted = _percent(feature.presence.min_fraction)
            return f"a value in {wanted} of the rows", _presence(column, statistics)
        case _Info.FEATURE_TYPE_LOW_NUMBER_PRESENT:
            wanted = f"a value in at least {feature.presence.min_count} rows"
            return wanted, _presence(column, statistics)
        case _Info.UNEXPECTED_DATA_TYPE:
            names = re.fullmatch(
                r"Expected data of type: (\w+) but got (\w+)", description
            )
            if names:
                return _type(names[1]), _type(names[2])
        case _Info.ENUM_TYPE_UNEXPECTED_STRING_VALUES:
            values = description.removeprefix(
                "Examples contain values missing from the schema: "
            )
            return _domain(feature), values
        case (
            _Info.INT_TYPE_BIG_INT
            | _Info.INT_TYPE_SMALL_INT
            | _Info.FLOAT_TYPE_BIG_FLOAT
            | _Info.FLOAT_TYPE_SMALL_FLOAT
        ):
            return _domain(feature), _uncapitalised(description)
        case _Info.FLOAT_TYPE_HAS_NAN | _Info.FLOAT_TYPE_HAS_INF:
            return "finite numbers", _uncapitalised(description)
        case (
            _Info.COMPARATOR_L_INFTY_HIGH
            | _Info.COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH
        ):
            return _comparison(reason, column, anomalies)
    return None


def _comparison(
    reason: anomalies_pb2.AnomalyInfo.Reason,
    column: str,
    anomalies: anomalies_pb2.Anomalies,
) -> tuple[str, str]:
    """Returns the largest distance allowed, and the distance measured."""
    info = next(i for i in anomalies.drift_skew_info if i.path.step == [column])
    if "training and serving" in reason.description:
        other, measurements = "training split", info.skew_measurements
    else:
        other, measurements = "last good data", info.drift_measurements
    if reason.type == _Info.COMPARATOR_L_INFTY_HIGH:
        what = "change of a value's share"
        value = reason.description.rpartition("maximum difference is: ")[2]
        where = f", of the value `{value}`"
    else:
        what, where = "Jensen-Shannon divergence", ""
    measured = measurements[0]
    return (
        f"a {what} of at most {measured.threshold:g} against the {other}",
        f"{measured.value:.3g}{where}",
    )


def _presence(column: str, statistics: statistics_pb2.DatasetFeatureStatistics) -> str:
    for feature in statistics.features:
        if list(feature.path.step) == [column]:
            common = (
                feature.string_stats
                if feature.HasField("string_stats")
                else feature.num_stats
            ).common_stats
            present = common.num_non_missing
            share = present / statistics.num_examples
            return f"one in {present:,} of {statistics.num_examples:,} ({share:.1%})"
    return "none"


def _domain(feature: schema_pb2.Feature) -> str:
    match feature.WhichOneof("domain_info"):
        case "string_domain":
            values = list(feature.string_domain.value)
            more = f" and {len(values) - _MANY} more" if len(values) > _MANY else ""
            return "one of " + ", ".join(f"`{v}`" for v in values[:_MANY]) + more
        case "int_domain":
            return _range(feature.int_domain)
        case "float_domain":
            return _range(feature.float_domain)
    return "a value of the domain"


def _range(domain: schema_pb2.IntDomain | schema_pb2.FloatDomain) -> str:
    low, high = (
        f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"
        for bound in (domain.min, domain.max)
    )
    if not domain.HasField("max"):
        return f"{low} or more"
    if not domain.HasField("min"):
        return f"{high} or less"
    return f"{low} to {high}"


def _type(name: str) -> str:
    return _TYPES.get(name, name.lower())


def _percent(fraction: float) -> str:
    return "every one" if fraction == 1.0 else f"{fraction:.1%}"


def _uncapitalised(text: str) -> str:
    return text[:1].lower() + text[1:]
