"""Records as lines of JSON that tell where they end and whether they are whole.

A line is `{"frame":"LLLLLLLLCCCCCCCC",...}`: the length of what follows the frame, line
end included, and its CRC-32, eight hexadecimal digits each. So a reader finds a torn
line, and any tool that reads JSON lines reads the file. Scores stand there in base64,
as little-endian float32: written out they would cost more than the rest of the record.
"""

import array
import base64
import datetime
import io
import json.encoder
import math
import operator
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
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
_FLOAT32 = np.dtype("<f4")
_PAIRS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())]))
_quoted = json.encoder.encode_basestring


def encode(record: Exposure | Outcome) -> bytes:
    """Returns the line of a record.

    A difference of scores that is not finite becomes null: JSON has no name for it, and
    a model that fails must not take the record with it.

    Raises:
        DataError: a value does not fit its column, or the record is too long.
    """
    kind: Kind = "exposure" if isinstance(record, Exposure) else "outcome"
    try:
        texts = [
            name + ("null" if value is None and nullable else written(value))
            for (name, nullable, written), value in zip(
                _COLUMNS[kind], _VALUES[kind](record), strict=True
            )
        ]
        body = f"{','.join(texts)}}}\n".encode()
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
        One row a record, in the schema of the kind; scores that are not finite are
        null.
    """
    schema = SCHEMAS[kind]
    if not data:
        return schema.empty_table()
    read = schema
    for name, (written, _) in _WRITTEN[kind].items():
        read = read.set(schema.get_field_index(name), pa.field(name, written))
    rows = pyarrow.json.read_json(
        io.BytesIO(data),
        read_options=pyarrow.json.ReadOptions(
            use_threads=False, block_size=8 * LONGEST
        ),
        parse_options=pyarrow.json.ParseOptions(
            explicit_schema=read, unexpected_field_behavior="ignore"
        ),
    ).select(schema.names)
    for name, (_, as_meant) in _WRITTEN[kind].items():
        at = rows.schema.get_field_index(name)
        chunks = [as_meant(chunk) for chunk in rows[name].chunks]
        rows = rows.set_column(at, name, pa.chunked_array(chunks))
    return rows.cast(schema)


def _as_map(pairs: pa.ListArray) -> pa.MapArray:
    keys, texts = pairs.values.field("key"), pairs.values.field("value")
    return pa.MapArray.from_arrays(pairs.offsets, keys, texts)


def _as_lists(texts: pa.StringArray) -> pa.ListArray:
    found = [base64.b64decode(text or "") for text in texts.to_pylist()]
    values = np.frombuffer(b"".join(found), _FLOAT32)
    lengths = [len(content) // _FLOAT32.itemsize for content in found]
    return pa.ListArray.from_arrays(
        pa.array(np.cumsum([0, *lengths]), pa.int32()),
        pa.array(values, mask=~np.isfinite(values)),
        mask=texts.is_null(),
    )


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError(f"{value!r:.200} is no text")
    return _quoted(value)


def _flag(value: Any) -> str:
    if type(value) is not bool:
        raise TypeError(f"{value!r:.200} is neither true nor false")
    return "true" if value else "false"


def _number(value: Any) -> str:
    if isinstance(value, str) or not math.isfinite(value):
        raise ValueError(f"{value!r:.200} is no finite number")
    return repr(float(value))


def _numbers(values: Any) -> str:
    if not isinstance(values, array.array):
        values = np.asarray(values, _FLOAT32)
    return f'"{base64.b64encode(values.tobytes()).decode()}"'


def _finite(value: Any) -> str:
    return repr(float(value)) if math.isfinite(value) else "null"


def _small(value: Any) -> str:
    return _integer(value, 2**31)


def _large(value: Any) -> str:
    return _integer(value, 2**63)


def _integer(value: Any, bound: int) -> str:
    if type(value) is not int or not -bound <= value < bound:
        raise ValueError(f"{value!r:.200} is no integer of {bound.bit_length()} bits")
    return str(value)


def _time(value: datetime.datetime) -> str:
    if value.tzinfo is None:
        raise ValueError(f"{value} has no time zone")
    if value.tzinfo is not datetime.UTC:
        value = value.astimezone(datetime.UTC)
    return f'"{value.isoformat()[:-6]}Z"'  # for `+00:00`


def _pairs(value: Mapping[str, str]) -> str:
    pairs = [f'{{"key":{_text(k)},"value":{_text(v)}}}' for k, v in value.items()]
    return f"[{','.join(pairs)}]"


_AS_JSON: dict[pa.DataType, Callable[[Any], str]] = {
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
"""From a value to JSON, by the type of the column."""

_COLUMNS = {
    kind: [
        (
            f'"{field.name}":',
            field.nullable,
            _finite
            if field.nullable and pa.types.is_floating(field.type)
            else _AS_JSON[field.type],
        )
        for field in schema
    ]
    for kind, schema in SCHEMAS.items()
}
"""What `encode` needs of the schemas; it runs for each answer of the router."""
_VALUES = {kind: operator.attrgetter(*schema.names) for kind, schema in SCHEMAS.items()}
_WRITTEN: dict[Kind, dict[str, tuple[pa.DataType, Callable[[Any], pa.Array]]]] = {
    kind: {
        field.name: (_PAIRS, _as_map)
        if pa.types.is_map(field.type)
        else (pa.string(), _as_lists)
        for field in schema
        if pa.types.is_nested(field.type)
    }
    for kind, schema in SCHEMAS.items()
}
"""Columns that stand in a line as another type, and how they are read from it."""
