"""What comes from outside as an exposure or an outcome."""

import dataclasses
import datetime
import math
from typing import Any

import pyarrow as pa
import pytest

from clickwright.schemas.errors import DataError
from clickwright.schemas.events import (
    EXPOSURE,
    MAX_ID,
    OUTCOME,
    Exposure,
    Outcome,
    check_attributes,
    check_id,
)

AT = datetime.datetime(2026, 11, 2, 3, 4, 5, 678, tzinfo=datetime.UTC)
CLICK: dict[str, Any] = {
    "outcome_id": "o-1",
    "request_id": "r-1",
    "name": "click",
    "value": 1.0,
    "position": 2,
    "at": AT,
}
SEEN = Exposure(
    request_id="r-1",
    unit="user-1",
    experiment="crosses",
    variant="treatment",
    model="ctr",
    version=1_795_294_536,
    label="canary",
    bucket=9_999,
    propensity=0.5,
    at=AT,
    latency_ms=1.5,
    candidates=2,
    scores=(0.25, 0.5),
    attributes={"device": "phone"},
)


@pytest.mark.parametrize(
    ("record", "schema"), [(SEEN, EXPOSURE), (Outcome(**CLICK), OUTCOME)]
)
def test_a_record_survives_arrow(record: Exposure | Outcome, schema: pa.Schema) -> None:
    table = pa.Table.from_pylist([dataclasses.asdict(record)], schema=schema)

    (row,) = table.to_pylist()

    assert type(record).checked(row, "row 1") == record


def test_the_fields_of_a_record_are_the_columns_of_its_schema() -> None:
    for kind, schema in ((Exposure, EXPOSURE), (Outcome, OUTCOME)):
        fields = dataclasses.fields(kind)
        required = {f.name for f in schema if not f.nullable}
        by_default = {"override", "attributes"}
        assert {f.name for f in fields} == set(schema.names)
        assert required - by_default == {
            f.name
            for f in fields
            if f.default is f.default_factory is dataclasses.MISSING
        }


def test_the_texts_of_a_csv_file_are_read() -> None:
    row = {"outcome_id": "o-1", "request_id": "", "unit": "u", "name": "revenue"}
    row |= {"value": "12.5", "position": "", "at": "2026-11-02T04:04:05.000678+01:00"}

    outcome = Outcome.checked(row, "line 2")

    assert outcome == Outcome(
        outcome_id="o-1", name="revenue", value=12.5, at=AT, unit="u"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"outcome_id": None}, "`outcome_id` is needed. It is missing"),
        ({"request_id": None}, "or `unit` is needed"),
        ({"name": "Click!"}, "`name` must be 1 to 64 small letters"),
        ({"value": math.nan}, "`value` must be a number"),
        ({"value": "many"}, "`value` must be a number. Received: 'many'"),
        ({"position": -1}, "`position` must be an integer from 0"),
        ({"position": 1.5}, "`position` must be an integer"),
        ({"at": "2026-11-02T03:04:05"}, "with its time zone"),
        ({"at": 1_793_588_645}, "must be a time in ISO 8601"),
        ({"unit": "a\r\nx-admin: 1"}, "printable"),
        ({"who": "me"}, "Unknown: who"),
    ],
)
def test_an_outcome_that_breaks_a_rule_is_refused_with_its_place(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(DataError, match=said) as error:
        Outcome.checked({**CLICK, **changes}, "clicks.csv, line 7")

    assert error.value.where.startswith("clicks.csv, line 7")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bucket": 10_000}, "`bucket` must be an integer from 0 to 9999"),
        ({"propensity": 1.5}, "`propensity` must be a number from 0 to 1"),
        ({"latency_ms": math.inf}, "`latency_ms` must be a number"),
        ({"scores": 3}, "`scores` must be a list of numbers"),
        ({"override": "perhaps"}, "`override` must be true or false"),
        ({"attributes": {"a": "b\n"}}, "Attributes are at most"),
    ],
)
def test_an_exposure_that_breaks_a_rule_is_refused(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        Exposure.checked({**dataclasses.asdict(SEEN), **changes}, "row 3")


@pytest.mark.parametrize("unit", ["u", "Ünal 7", "+49 170 1", "x" * MAX_ID])
def test_a_usual_id_is_taken_as_it_is(unit: str) -> None:
    assert check_id(unit, "x-unit-id") == unit


@pytest.mark.parametrize(
    "unit", ["", " u", "u\r\nset-cookie: a=b", "u\0", "x" * (MAX_ID + 1), "\u2028"]
)
def test_an_id_that_could_add_a_header_or_a_line_is_refused(unit: str) -> None:
    with pytest.raises(DataError, match="printable characters"):
        check_id(unit, "x-unit-id")


@pytest.mark.parametrize(
    "attributes",
    [
        "device=phone",
        {"Device": "phone"},
        {"device": "p" * 65},
        {f"a{n}": "b" for n in range(17)},
    ],
)
def test_attributes_beyond_their_limits_are_refused(attributes: object) -> None:
    with pytest.raises(DataError, match="at most 16 pairs"):
        check_attributes(attributes, "x-attributes")
