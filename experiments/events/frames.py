"""Records as lines of JSON that tell where they end and whether they are whole.

A line is `{"frame":"LLLLLLLLCCCCCCCC",...}`: the length of what follows the frame, line
end included, and its CRC-32, eight hexadecimal digits each. So a reader finds a torn
line, and any tool that reads JSON lines reads the file.
"""

import datetime
import io
import json
import math
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Literal

import pyarrow as pa
import pyarrow.json

from clickwright.schemas.errors import DataError
from clickwright.schemas.events import EXPOSURE, OUTCOME, Exposure, Outcome

Kind = Literal["exposure", "outcome"]

SCHEMAS: dict[Kind, pa.Schema] = {"exposure": EXPOSURE, "outcome": OUTCOME}

IDS: dict[Kind, str] = {"exposure": "request_id", "outcome": "outcome_id"}
"""The column that makes a record unique."""

LONGEST = 2**20
"""Most bytes of a record."""

_HEAD = len(b'{"frame":"0123456789abcdef",')
_PAIRS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())]))
_encode = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":")
).encode


def encode(record: Exposure | Outcome) -> bytes:
    """Returns the line of a record.

    Scores and their difference that are not finite become null: JSON has no name for
    them, and a model that fails must not take the record with it.

    Raises:
        DataError: a value does not fit its column, or the record is too long.
    """
    kind: Kind = "exposure" if isinstance(record, Exposure) else "outcome"
    row: dict[str, Any] = {}
    try:
        for name, nullable, plain in _COLUMNS[kind]:
            value = getattr(record, name)
            row[name] = None if value is None else plain(value)
            if value is None and not nullable:
                raise TypeError(f"`{name}` is missing")
        lists = [(name, row.pop(name)) for name in _LISTS if row.get(name)]
        text = _encode(row)[1:-1]
        for name, values in lists:
            text += f',"{name}":{_list(values)}'
        body = f"{text}}}\n".encode()
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise DataError(
            f"A record does not fit the log: {error}.",
            where=f"{kind} {str(getattr(record, IDS[kind], ''))[:64]!r}",
            fix="give each value as the type that the schema has",
        ) from error
    if len(body) > LONGEST:
        raise DataError(
            f"A record has {len(body):,} bytes; the most is {LONGEST:,}.",
            where=f"{kind} {str(getattr(record, IDS[kind], ''))[:64]!r}",
            fix="log the scores of fewer candidates",
        )
    return b'{"frame":"%08x%08x",' % (len(body), zlib.crc32(body)) + body


def whole(data: bytes) -> tuple[int, int]:
    """Counts the whole records at the start of a segment.

    Returns:
        Records, and the bytes that they take; what lies behind them is torn.
    """
    records = end = 0
    while True:
        start = end + _HEAD
        try:
            frame = int(data[end + 10 : end + 26], 16)
        except ValueError:
            return records, end
        stop = start + (frame >> 32)
        if (
            stop > len(data)
            or data[end : end + 10] != b'{"frame":"'
            or zlib.crc32(memoryview(data)[start:stop]) != frame & 0xFFFFFFFF
        ):
            return records, end
        records, end = records + 1, stop


def table(data: bytes, kind: Kind) -> pa.Table:
    """Reads whole records.

    Args:
        data: lines as `encode` makes them, none of them torn.
        kind: what they record.

    Returns:
        One row a record, in the schema of the kind.
    """
    schema = SCHEMAS[kind]
    if not data:
        return schema.empty_table()
    maps = [field.name for field in schema if pa.types.is_map(field.type)]
    read = schema
    for name in maps:  # Arrow's reader knows no maps
        at = schema.get_field_index(name)
        read = read.set(at, pa.field(name, _PAIRS))
    rows = pyarrow.json.read_json(
        io.BytesIO(data),
        read_options=pyarrow.json.ReadOptions(
            use_threads=False, block_size=8 * LONGEST
        ),
        parse_options=pyarrow.json.ParseOptions(
            explicit_schema=read, unexpected_field_behavior="ignore"
        ),
    ).select(schema.names)
    for name in maps:
        at = rows.schema.get_field_index(name)
        chunks = [_as_map(chunk) for chunk in rows[name].chunks]
        rows = rows.set_column(at, name, pa.chunked_array(chunks))
    return rows.cast(schema)


def _as_map(pairs: pa.ListArray) -> pa.MapArray:
    keys, texts = pairs.values.field("key"), pairs.values.field("value")
    return pa.MapArray.from_arrays(pairs.offsets, keys, texts)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError(f"{value!r:.200} is no text")
    return value


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise TypeError(f"{value!r:.200} is neither true nor false")
    return value


def _number(value: Any) -> float:
    if isinstance(value, str) or not math.isfinite(value):
        raise ValueError(f"{value!r:.200} is no finite number")
    return float(value)


def _numbers(values: Any) -> tuple[float, ...]:
    return tuple(map(float, values))


def _list(values: tuple[float, ...]) -> str:
    """A list of float32 as JSON, in a third of the time that `json` takes."""
    if not math.isfinite(sum(values)):
        return _encode([value if math.isfinite(value) else None for value in values])
    return f"[{','.join(['%.9g'] * len(values)) % values}]"


def _finite(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


def _small(value: Any) -> int:
    return _integer(value, 2**31)


def _large(value: Any) -> int:
    return _integer(value, 2**63)


def _integer(value: Any, bound: int) -> int:
    if type(value) is not int or not -bound <= value < bound:
        raise ValueError(f"{value!r:.200} is no integer of {bound.bit_length()} bits")
    return value


def _time(value: datetime.datetime) -> str:
    if value.tzinfo is None:
        raise ValueError(f"{value} has no time zone")
    return value.astimezone(datetime.UTC).isoformat().removesuffix("+00:00") + "Z"


def _pairs(value: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": _text(key), "value": _text(text)} for key, text in value.items()]


_PLAIN: dict[pa.DataType, Callable[[Any], Any]] = {
    pa.string(): _text,
    pa.bool_(): _flag,
    pa.float32(): _number,
    pa.float64(): _number,
    pa.int32(): _small,
    pa.int64(): _large,
    pa.list_(pa.float32()): _numbers,
    pa.timestamp("us", tz="UTC"): _time,
    pa.map_(pa.string(), pa.string()): _pairs,
}
"""From a value to what JSON has, by the type of the column."""

_LISTS = ("scores",)
_COLUMNS = {
    kind: [
        (
            field.name,
            field.nullable,
            _finite
            if field.nullable and pa.types.is_floating(field.type)
            else _PLAIN[field.type],
        )
        for field in schema
    ]
    for kind, schema in SCHEMAS.items()
}
"""What `encode` needs of the schemas; it runs for each answer of the router."""
