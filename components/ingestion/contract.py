"""Rows of a log in the types of a feature spec, or the reason why they are not.

Rows are counted from 1 in every message; a CSV's line of names does not count.

A cast that keeps every value is made without a word: narrower to wider integers,
floats without fractions to integers, integers to text, dictionary-encoded to plain.
NaN stands for a missing value. Numbers are rounded to float32, as the models do.
"""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clickwright.schemas.errors import DataError
from clickwright.schemas.spec import Column, DType, FeatureSpec, SequenceFeature

_MOST_ROWS_NAMED = 5


def conform(
    batch: pa.RecordBatch,
    columns: Mapping[str, Column],
    spec: FeatureSpec,
    *,
    path: str,
    first_row: int,
    parse_text: bool = False,
) -> pa.RecordBatch:
    """Casts a batch to the types of the spec and checks its values.

    Args:
        batch: rows of one file; columns beyond `columns` are dropped.
        columns: what to return, in this order. A column that the batch lacks is all
            null.
        spec: tells labels and side information from other columns.
        path: the file, for messages.
        first_row: rows of the file before the batch, for messages.
        parse_text: whether text stands for the value that is wanted (CSV).

    Returns:
        int64, float32 and string columns, and lists of them.

    Raises:
        DataError: names file, column and row, the value received and the rule.
    """
    arrays = cast_columns(
        batch, columns, path=path, first_row=first_row, parse_text=parse_text
    )
    for name, label in spec.labels.items():
        column = label.column or name
        if column in arrays:
            _check_label(arrays[column], _Place(path, column, first_row))
    _check_side_information(arrays, spec, path, first_row)
    _check_times(arrays, spec, path, first_row)
    return pa.RecordBatch.from_pydict(arrays)


def cast_columns(
    batch: pa.RecordBatch,
    columns: Mapping[str, Column],
    *,
    path: str,
    first_row: int,
    parse_text: bool = False,
) -> dict[str, pa.Array]:
    """Casts columns of a batch to their types; arguments as of `conform`.

    Raises:
        DataError: a value is not of its column's type, or absent where one must be.
    """
    arrays: dict[str, pa.Array] = {}
    for column in columns.values():
        index = batch.schema.get_field_index(column.name)
        values = pa.nulls(batch.num_rows) if index < 0 else batch.column(index)
        place = _Place(path, column.name, first_row)
        if column.is_list:
            array = _lists(values, column.dtype, place, parse_text)
        else:
            array = _scalars(values, column.dtype, place, parse_text)
        if column.required and array.null_count:
            _refuse_nulls(array, place)
        arrays[column.name] = array
    return arrays


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where values stand in a file.

    Attributes:
        path: the file.
        column: the column.
        first_row: rows of the file before the first of the values.
        offsets: for the values of lists, where each row's values begin.
    """

    path: str
    column: str
    first_row: int
    offsets: np.ndarray | None = None

    def __str__(self) -> str:
        return f"{self.path}, column `{self.column}`"

    def at(self, index: int) -> str:
        """The place of the value at `index`."""
        if self.offsets is not None:
            index = int(np.searchsorted(self.offsets, index, side="right")) - 1
        return f"{self}, row {self.first_row + index + 1}"


def _lists(
    values: pa.Array, dtype: DType, place: _Place, parse_text: bool
) -> pa.ListArray:
    if pa.types.is_null(values.type):
        return values.cast(pa.list_(_TYPES[dtype].arrow))
    if pa.types.is_fixed_size_list(values.type):
        values = values.cast(pa.list_(values.type.value_type))
    if not (pa.types.is_list(values.type) or pa.types.is_large_list(values.type)):
        raise _wrong_type(values.type, f"lists of {dtype}", place)
    lengths = _lengths(values)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    place = dataclasses.replace(place, offsets=offsets)
    items = _scalars(values.flatten(), dtype, place, parse_text)
    if items.null_count:
        raise DataError(
            "A list holds a null (or NaN); lists hold values only.",
            where=place.at(pc.index(items.is_null(), True).as_py()),
            fix="drop the nulls from the lists",
        )
    nulls = values.is_null() if values.null_count else None
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items, mask=nulls)


def _scalars(
    values: pa.Array, dtype: DType, place: _Place, parse_text: bool
) -> pa.Array:
    wanted = _TYPES[dtype]
    if pa.types.is_null(values.type):
        return values.cast(wanted.arrow)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if not (wanted.accepts(values.type) or (parse_text and _is_text(values.type))):
        raise _wrong_type(values.type, dtype, place)
    values = _without_nan(values)
    if dtype == "float32":
        return _floats(values, place)
    return _cast(values, wanted.arrow, place)


def _floats(values: pa.Array, place: _Place) -> pa.Array:
    if not pa.types.is_float32(values.type):
        # By way of float64, as the cast from integers refuses to round.
        values = _without_nan(_cast(values, pa.float64(), place))
    floats = values.cast(pa.float32())
    infinite = pc.index(pc.is_inf(floats), True).as_py()
    if infinite >= 0:
        raise DataError(
            f"Numbers must be finite float32. Received: {values[infinite]}.",
            where=place.at(infinite),
            fix="mend the value, or leave it out (null) where it is unknown",
        )
    return floats


def _cast(values: pa.Array, wanted: pa.DataType, place: _Place) -> pa.Array:
    rounds = pa.types.is_floating(wanted)
    try:
        return values.cast(wanted, safe=not rounds)
    except pa.ArrowInvalid as error:
        bad = _first_failure(values, lambda part: part.cast(wanted, safe=not rounds))
        name = "number" if rounds else wanted
        raise DataError(
            f"The value is no {name}. Received: {values[bad].as_py()!r:.200}.",
            where=place.at(bad),
            fix="mend the value, or change the `dtype` in the feature spec",
        ) from error


def _first_failure(values: pa.Array, convert: Callable[[pa.Array], object]) -> int:
    """Index of the first value that `convert` refuses; there must be one."""
    fine, end = 0, len(values)  # [0, fine) converts, [fine, end) does not
    while end - fine > 1:
        middle = (fine + end) // 2
        try:
            convert(values.slice(fine, middle - fine))
            fine = middle
        except pa.ArrowInvalid:
            end = middle
    return fine


def _without_nan(values: pa.Array) -> pa.Array:
    if not pa.types.is_floating(values.type):
        return values
    return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)


def _refuse_nulls(array: pa.Array, place: _Place) -> None:
    empty = np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))
    rows = [str(place.first_row + row + 1) for row in empty[:_MOST_ROWS_NAMED]]
    more = " and more" if len(empty) > _MOST_ROWS_NAMED else ""
    raise DataError(
        "Every row must hold a value. Received: null (or NaN) in "
        f"row{'s' if len(rows) > 1 else ''} {', '.join(rows)}{more}.",
        where=str(place),
        fix="fill the gaps, or let the feature be `presence: optional` in the feature "
        "spec",
    )


def _check_label(array: pa.Array, place: _Place) -> None:
    allowed = pc.is_in(array, value_set=pa.array([0, 1, None], pa.int64()))
    bad = pc.index(allowed, False).as_py()
    if bad >= 0:
        raise DataError(
            f"A label must be 0 or 1. Received: {array[bad]}.",
            where=place.at(bad),
            fix="mend the label, or leave it out (null) and let it be `presence: "
            "optional` in the feature spec",
        )


def _check_side_information(
    arrays: Mapping[str, pa.Array], spec: FeatureSpec, path: str, first_row: int
) -> None:
    for name, feature in spec.features.items():
        if not isinstance(feature, SequenceFeature):
            continue
        column = feature.column or name
        beside = [side.column for side in feature.side.values()]
        for other in [*beside, *filter(None, [feature.times])]:
            if column not in arrays or other not in arrays:
                continue
            counts = [_lengths(arrays[c]) for c in (column, other)]
            bad = np.flatnonzero(counts[0] != counts[1])
            if len(bad):
                raise DataError(
                    f"`{other}` must hold as many values as `{column}`. "
                    f"Received: {counts[1][bad[0]]} and {counts[0][bad[0]]}.",
                    where=_Place(path, other, first_row).at(int(bad[0])),
                    fix="write one value a step of the sequence into both columns",
                )


def _check_times(
    arrays: Mapping[str, pa.Array], spec: FeatureSpec, path: str, first_row: int
) -> None:
    """Refuses histories that are out of order, or know of what comes after the row."""
    for feature in spec.features.values():
        column = feature.times if isinstance(feature, SequenceFeature) else None
        if column is None or column not in arrays:
            continue
        lists = arrays[column]
        times = lists.flatten().to_numpy()
        rows = np.repeat(np.arange(len(lists)), _lengths(lists))  # [events]
        now = arrays[str(spec.timestamp)].to_numpy()[rows]
        back = np.zeros(len(times), bool)
        back[1:] = (times[1:] < times[:-1]) & (rows[1:] == rows[:-1])
        place = _Place(path, column, first_row)
        for bad, rule, against, fix in (
            (
                back,
                "must ascend, oldest first",
                np.roll(times, 1),
                "sort the events of each row by time, in all columns of the sequence",
            ),
            (
                times > now,
                f"must not lie after the row's own `{spec.timestamp}`",
                now,
                "leave out what happened after the row: no model may know of it",
            ),
        ):
            found = np.flatnonzero(bad)
            if len(found):
                count = len(np.unique(rows[found]))
                raise DataError(
                    f"The times of a history {rule}. Received: {times[found[0]]} with "
                    f"{against[found[0]]}; such are {len(found):,} events in {count:,} "
                    f"of the {len(lists):,} rows read at once.",
                    where=place.at(int(rows[found[0]])),
                    fix=fix,
                )


def _lengths(lists: pa.Array) -> np.ndarray:
    lengths: np.ndarray = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    return lengths


def _wrong_type(found: pa.DataType, wanted: str, place: _Place) -> DataError:
    return DataError(
        f"The column must hold {wanted}. Received: {found}.",
        where=str(place),
        fix=f"write the column as {wanted}, or change the feature spec",
    )


def _is_number(found: pa.DataType) -> bool:
    return (
        pa.types.is_integer(found)
        or pa.types.is_floating(found)
        or pa.types.is_decimal(found)
        or pa.types.is_boolean(found)
    )


def _is_text(found: pa.DataType) -> bool:
    return (
        pa.types.is_string(found)
        or pa.types.is_large_string(found)
        or pa.types.is_binary(found)
        or pa.types.is_large_binary(found)
    )


@dataclasses.dataclass(frozen=True)
class _Type:
    arrow: pa.DataType
    accepts: Callable[[pa.DataType], bool]


_TYPES: dict[DType, _Type] = {
    "int64": _Type(pa.int64(), _is_number),
    "float32": _Type(pa.float32(), _is_number),
    "string": _Type(
        pa.string(), lambda found: _is_text(found) or pa.types.is_integer(found)
    ),
}
