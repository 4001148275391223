"""Whether examples, statistics, schema and spec belong together."""

from typing import TypeAlias

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from clickwright.components.discretizer.example_columns import TYPES, ExampleColumns
from clickwright.schemas.errors import ConfigError, DataError

_Statistics: TypeAlias = statistics_pb2.FeatureNameStatistics
_NAMES = {
    _Statistics.INT: "int64",
    _Statistics.FLOAT: "float32",
    _Statistics.STRING: "string",
    _Statistics.BYTES: "string",
    _Statistics.STRUCT: "struct",
}


def check_schema(columns: ExampleColumns, schema: schema_pb2.Schema) -> None:
    """Refuses a schema that was derived from another spec.

    Raises:
        ConfigError: a column is not in the schema, or of another type.
    """
    found = {feature.name: feature.type for feature in schema.feature}
    for column, dtype in columns.dtypes.items():
        if found.get(column) != TYPES[dtype]:
            received = "no such column"
            if column in found:
                received = schema_pb2.FeatureType.Name(found[column])
            raise ConfigError(
                f"The schema must have the column `{column}` of the feature spec, of "
                f"type {schema_pb2.FeatureType.Name(TYPES[dtype])}. "
                f"Received: {received}.",
                where="schema",
                fix="derive the schema from this spec again",
            )


def check_types(
    columns: ExampleColumns, statistics: statistics_pb2.DatasetFeatureStatistics
) -> None:
    """Refuses columns that hold something else than the spec says.

    Raises:
        DataError: names the column and what it holds.
    """
    for feature in statistics.features:
        column = feature.name or ".".join(feature.path.step)
        dtype = columns.dtypes.get(column)
        if dtype is None or not _present(feature):
            continue
        held = _NAMES[feature.type]
        if held != dtype:
            sample = ""
            if feature.string_stats.top_values:
                sample = f", such as {feature.string_stats.top_values[0].value!r}"
            raise DataError(
                f"The column must hold {dtype} values. Received: {held}{sample}.",
                where=f"training split, column `{column}`",
                fix="store its values as numbers, or change the feature's `dtype` or "
                "`kind` in the feature spec",
            )


def check_rows(rows: int, statistics: statistics_pb2.DatasetFeatureStatistics) -> None:
    """Refuses statistics of other examples.

    Raises:
        DataError: their number of rows is not that of the examples.
    """
    if rows != statistics.num_examples:
        raise DataError(
            f"The statistics count {statistics.num_examples:,} rows, the examples "
            f"hold {rows:,}: they do not belong together.",
            where="training split",
            fix="run StatisticsGen on these examples again",
        )


def _present(feature: _Statistics) -> bool:
    common = (
        feature.string_stats.common_stats
        if feature.HasField("string_stats")
        else feature.num_stats.common_stats
    )
    return bool(common.num_non_missing)
