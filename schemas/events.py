"""What the router and the shop record of an online experiment."""

import dataclasses
import datetime
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Self

import pyarrow as pa

from clickwright.schemas.errors import DataError

MAX_ID = 256
"""Most characters of a request's, an outcome's or a unit's id."""

MAX_ATTRIBUTES = 16
"""Most attributes of an exposure."""

MAX_ATTRIBUTE = 64
"""Most characters of an attribute's name, and of its value."""

_TIMESTAMP = pa.timestamp("us", tz="UTC")

EXPOSURE = pa.schema(
    [
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("unit", pa.string(), nullable=False),
        pa.field("experiment", pa.string(), nullable=False),
        pa.field("variant", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("version", pa.int64(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("bucket", pa.int32(), nullable=False),
        pa.field("propensity", pa.float64(), nullable=False),
        pa.field("at", _TIMESTAMP, nullable=False),
        pa.field("latency_ms", pa.float32(), nullable=False),
        pa.field("candidates", pa.int32(), nullable=False),
        pa.field("scores", pa.list_(pa.float32())),
        pa.field("failed_variant", pa.string()),
        pa.field("failure", pa.string()),
        pa.field("override", pa.bool_(), nullable=False),
        pa.field("shadow_version", pa.int64()),
        pa.field("shadow_difference", pa.float32()),
        pa.field("attributes", pa.map_(pa.string(), pa.string()), nullable=False),
    ]
)

OUTCOME = pa.schema(
    [
        pa.field("outcome_id", pa.string(), nullable=False),
        pa.field("request_id", pa.string()),
        pa.field("unit", pa.string()),
        pa.field("name", pa.string(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("position", pa.int32()),
        pa.field("at", _TIMESTAMP, nullable=False),
    ]
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One answered request of an experiment; a row of `EXPOSURE`.

    Attributes:
        request_id: the id that makes it unique.
        unit: the unit's id, or its pseudonym.
        experiment: the experiment's id.
        variant: the arm that the unit was assigned to, whichever answered.
        model: the model that answered.
        version: the version that the server reported.
        label: the label that was asked for, if one was.
        bucket: the unit's bucket, 0 to 9,999.
        propensity: probability of the variant, from 0 to 1.
        at: when the request came, aware of its time zone.
        latency_ms: from the request to the answer, in milliseconds.
        candidates: rows that were scored.
        scores: the answer's scores in the order of the request, one a candidate.
        failed_variant: the arm that failed, where control answered in its place.
        failure: why it failed.
        override: whether an override chose the arm, rather than the hash.
        shadow_version: the version that got a copy of the request.
        shadow_difference: largest difference of its scores from those answered.
        attributes: what slices are made from.
    """

    request_id: str
    unit: str
    experiment: str
    variant: str
    model: str
    version: int
    bucket: int
    propensity: float
    at: datetime.datetime
    latency_ms: float
    candidates: int
    label: str | None = None
    scores: Sequence[float] | None = None
    failed_variant: str | None = None
    failure: str | None = None
    override: bool = False
    shadow_version: int | None = None
    shadow_difference: float | None = None
    attributes: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def checked(cls, row: Mapping[str, Any], where: str) -> Self:
        """Makes an exposure from what comes from outside.

        Args:
            row: a value for each attribute; times as text in ISO 8601 or `datetime`,
                numbers also as text. Absent, None and empty text are the same.
            where: names the row in every message.

        Raises:
            DataError: an attribute is unknown, missing, or breaks its rule.
        """
        cells = _Cells(cls, row, where)
        return cls(
            request_id=cells.id("request_id"),
            unit=cells.id("unit"),
            experiment=cells.id("experiment"),
            variant=cells.id("variant"),
            model=cells.id("model"),
            version=cells.integer("version", 0, 2**63 - 1),
            bucket=cells.integer("bucket", 0, 9_999),
            propensity=cells.number("propensity", 0, 1),
            at=cells.instant("at"),
            latency_ms=cells.number("latency_ms", 0, math.inf),
            candidates=cells.integer("candidates", 0, 2**31 - 1),
            label=cells.id("label") if cells.has("label") else None,
            scores=cells.numbers("scores") if cells.has("scores") else None,
            failed_variant=(
                cells.id("failed_variant") if cells.has("failed_variant") else None
            ),
            failure=str(row["failure"]) if cells.has("failure") else None,
            override=cells.flag("override") if cells.has("override") else False,
            shadow_version=(
                cells.integer("shadow_version", 0, 2**63 - 1)
                if cells.has("shadow_version")
                else None
            ),
            shadow_difference=(
                cells.number("shadow_difference", 0, math.inf)
                if cells.has("shadow_difference")
                else None
            ),
            attributes=(
                check_attributes(row["attributes"], where)
                if cells.has("attributes")
                else {}
            ),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a unit did: a click, a purchase; a row of `OUTCOME`.

    Attributes:
        outcome_id: the id that makes it unique.
        name: what it is; the metrics of an experiment name it.
        value: how much: 1 for a click, the money of a purchase.
        at: when it happened, aware of its time zone.
        request_id: the request that it answers, if that is known.
        unit: the unit, as the exposures have it; needed where no request is known.
        position: of the item among the request's candidates, from 0.
    """

    outcome_id: str
    name: str
    value: float
    at: datetime.datetime
    request_id: str | None = None
    unit: str | None = None
    position: int | None = None

    @classmethod
    def checked(cls, row: Mapping[str, Any], where: str) -> Self:
        """Makes an outcome from what comes from outside.

        Args:
            row: a value for each attribute; times as text in ISO 8601 or `datetime`,
                numbers also as text. Absent, None and empty text are the same.
            where: names the row in every message.

        Raises:
            DataError: an attribute is unknown, missing, or breaks its rule.
        """
        cells = _Cells(cls, row, where)
        name = cells.id("name")
        if not re.fullmatch(r"[a-z0-9_]{1,64}", name):
            raise cells.broken("name", "must be 1 to 64 small letters, digits or `_`")
        if not cells.has("request_id") and not cells.has("unit"):
            raise cells.broken(
                "request_id", "or `unit` is needed, to find the exposure"
            )
        return cls(
            outcome_id=cells.id("outcome_id"),
            name=name,
            value=cells.number("value", -math.inf, math.inf),
            at=cells.instant("at"),
            request_id=cells.id("request_id") if cells.has("request_id") else None,
            unit=cells.id("unit") if cells.has("unit") else None,
            position=(
                cells.integer("position", 0, 2**31 - 1)
                if cells.has("position")
                else None
            ),
        )


def check_id(value: object, where: str) -> str:
    """Returns an id that may stand in logs, headers and file names of columns.

    Raises:
        DataError: it is empty, too long, or holds what is not printable, such as the
            line break that would add a header.
    """
    text = str(value)
    if 0 < len(text) <= MAX_ID and text.isprintable() and text == text.strip():
        return text
    raise DataError(
        f"An id must be 1 to {MAX_ID} printable characters without spaces around "
        f"them. Received: {text[:64]!r}{' ...' if len(text) > 64 else ''}.",
        where=where,
        fix="send an id of letters, digits and signs",
    )


def check_attributes(value: object, where: str) -> dict[str, str]:
    """Returns the attributes of an exposure, which slices are made from.

    Raises:
        DataError: they are no mapping, too many, too long, or not printable.
    """
    # Arrow gives a map as pairs.
    pairs = value.items() if isinstance(value, Mapping) else value
    try:
        attributes = {str(name): str(text) for name, text in pairs}  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        attributes = None
    if (
        attributes is not None
        and len(attributes) <= MAX_ATTRIBUTES
        and all(re.fullmatch(r"[a-z0-9_]{1,64}", name) for name in attributes)
        and all(
            len(text) <= MAX_ATTRIBUTE and text.isprintable()
            for text in attributes.values()
        )
    ):
        return attributes
    raise DataError(
        f"Attributes are at most {MAX_ATTRIBUTES} pairs: names of small letters, "
        f"digits and `_`, values of at most {MAX_ATTRIBUTE} printable characters. "
        f"Received: {value!r:.200}.",
        where=where,
        fix="send fewer or shorter attributes",
    )


class _Cells:
    """The values of a row, each checked as it is taken."""

    def __init__(self, cls: type, row: Mapping[str, Any], where: str) -> None:
        self._row = row
        self._where = where
        known = [field.name for field in dataclasses.fields(cls)]
        if unknown := sorted(str(name) for name in row if name not in known):
            raise DataError(
                f"Unknown: {', '.join(unknown[:5])}. Known: {', '.join(known)}.",
                where=where,
                fix="rename or drop what is unknown",
            )

    def has(self, name: str) -> bool:
        return self._row.get(name) not in (None, "")

    def broken(self, name: str, rule: str) -> DataError:
        received = (
            f" Received: {self._row[name]!r:.200}."
            if self.has(name)
            else " It is missing."
        )
        return DataError(
            f"`{name}` {rule}.{received}", where=self._where, fix="mend the row"
        )

    def id(self, name: str) -> str:
        if not self.has(name):
            raise self.broken(name, "is needed")
        return check_id(self._row[name], f"{self._where}, `{name}`")

    def number(self, name: str, low: float, high: float) -> float:
        try:
            value = float(self._row[name])
        except (KeyError, TypeError, ValueError):
            value = math.nan
        if not (math.isfinite(value) and low <= value <= high):
            between = f" from {low:g} to {high:g}" if low > -math.inf else ""
            raise self.broken(name, f"must be a number{between}")
        return value

    def numbers(self, name: str) -> tuple[float, ...]:
        try:
            return tuple(float(value) for value in self._row[name])
        except (TypeError, ValueError):
            raise self.broken(name, "must be a list of numbers") from None

    def integer(self, name: str, low: int, high: int) -> int:
        value = self._row.get(name)
        try:
            whole = int(value) if isinstance(value, str) else value
        except ValueError:
            whole = None
        if (
            isinstance(whole, bool)
            or not isinstance(whole, int)
            or not (low <= whole <= high)
        ):
            raise self.broken(name, f"must be an integer from {low} to {high}")
        return whole

    def flag(self, name: str) -> bool:
        flags = {True: True, False: False, "true": True, "false": False}
        try:
            return flags[self._row[name]]
        except (KeyError, TypeError):
            raise self.broken(name, "must be true or false") from None

    def instant(self, name: str) -> datetime.datetime:
        value = self._row.get(name)
        try:
            at = value if value is None else _parsed(value)
        except ValueError:
            at = None
        if at is None or at.tzinfo is None:
            raise self.broken(name, "must be a time in ISO 8601 with its time zone")
        return at.astimezone(datetime.UTC)


def _parsed(value: object) -> datetime.datetime | None:
    if isinstance(value, datetime.datetime):
        return value
    return datetime.datetime.fromisoformat(str(value))
