"""The feature spec: every rule, and what derives from a spec that keeps them."""

import copy
import json
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from clickwright.schemas.datasets import SOURCES
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.numeric_encoding import (
    ENCODERS,
    AutoDisEncoding,
    LinearEncoding,
    NumericEncoding,
)
from clickwright.schemas.spec import Column, FeatureSpec, load_spec

SCHEMAS = pathlib.Path(__file__).parents[2] / "schemas"

GOOD: dict[str, Any] = {
    "name": "shop",
    "labels": {"click": {}, "buy": {"column": "bought", "presence": "optional"}},
    "timestamp": "time",
    "weight": "row_weight",
    "propensity": "chance",
    "group_key": "session",
    "split": {"kind": "time", "valid": 0.1, "test": 0.1},
    "slices": [["device"], ["device", "colours"]],
    "features": {
        "item": {"kind": "categorical", "role": "item", "dtype": "int64"},
        "device": {
            "kind": "categorical",
            "role": "context",
            "values": ["phone", "desktop"],
            "vocabulary": {"kind": "hash", "buckets": 8},
        },
        "hour": {
            "kind": "categorical",
            "role": "context",
            "dtype": "int64",
            "column": "hour_of_day",
            "vocabulary": {"kind": "identity", "size": 24},
        },
        "age": {"kind": "numeric", "role": "user", "presence": "optional"},
        "price": {
            "kind": "numeric",
            "role": "item",
            "encoder": "buckets",
            "buckets": 4,
        },
        "colours": {"kind": "multi_hot", "role": "item", "max_length": 3},
        "history": {
            "kind": "sequence",
            "role": "user",
            "of": "item",
            "presence": "optional",
            "max_length": 5,
            "side": {"device": {"of": "device", "column": "history_device"}},
        },
        "picture": {"kind": "embedding", "role": "item", "of": "item", "width": 16},
        "item_hour": {
            "kind": "cross",
            "role": "context",
            "of": ["item", "hour"],
            "buckets": 32,
        },
    },
}


def spec_of(content: dict[str, Any]) -> FeatureSpec:
    return FeatureSpec.model_validate_json(json.dumps(content))


def features(**changes: Any) -> Callable[[dict[str, Any]], None]:
    """Sets keys of features: `features(item={"dtype": "string"})`."""

    def change(content: dict[str, Any]) -> None:
        for name, keys in changes.items():
            content["features"].setdefault(name, {}).update(keys)

    return change


def top(**keys: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.update(keys)


def without(*path: str) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        for key in path[:-1]:
            content = content[key]
        del content[path[-1]]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        # Keys and types.
        (top(slicess=[]), "`slicess`: unknown key. Did you mean `slices`?"),
        (
            features(item={"vocabulry": {}}),
            "`features.item.vocabulry`: unknown key. Did you mean `vocabulary`?",
        ),
        (
            features(device={"vocabulary": {"kind": "hash", "bucket": 4}}),
            "`features.device.vocabulary.bucket`: unknown key. Did you mean `buckets`?",
        ),
        (
            features(item={"vocabulary": {"min_count": 2}}),
            (
                "`features.item.vocabulary.kind`: must be one of hash, identity, learned. "
                "Received: no key."
            ),
        ),
        (
            features(item={"kind": "categoricl"}),
            (
                "`features.item.kind`: must be one of attribute, categorical, cross, "
                "embedding, multi_hot, numeric, sequence. Did you mean `categorical`? "
                "Received: 'categoricl'."
            ),
        ),
        (
            features(item={"role": "itm"}),
            (
                "`features.item.role`: must be one of 'user', 'item' or 'context'. "
                "Did you mean `item`? Received: 'itm'."
            ),
        ),
        (without("features", "item", "role"), "`features.item.role`: the key is miss"),
        (top(name=3), "`name`: Input should be a valid string. Received: 3."),
        (top(version=0), "`version`: Input should be greater than or equal to 1. Rec"),
        (
            features(**{"1st": {"kind": "numeric", "role": "user"}}),
            "`features.1st`: must be a letter, then letters, digits or `_`.",
        ),
        (top(labels={}), "`labels`: must hold at least 1. Received: {}."),
        (without("labels"), "`labels`: the key is missing."),
        (without("split"), "`split`: the key is missing."),
        (top(slices=["device"]), "`slices.0`: must be a list. Received: 'device'."),
        (
            features(price={"buckets": "many"}),
            (
                "`features.price.buckets`: Input should be a valid integer. "
                "Received: 'many'."
            ),
        ),
        (
            features(item_hour={"of": ["item"]}),
            "`features.item_hour.of`: must hold at least 2. Received: ['item'].",
        ),
        # Rules inside one feature.
        (
            features(age={"min": 3, "max": 1}),
            "`features.age`: `min` must not exceed `max` (3.0 > 1.0).",
        ),
        (
            features(age={"min": 3, "default": 1}),
            "`features.age`: `default` must lie between `min` and `max`. Received: 1.0",
        ),
        (
            features(age={"max": 3, "default": 4}),
            "`features.age`: `default` must lie between `min` and `max`. Received: 4.0",
        ),
        (
            features(age={"min": float("nan")}),
            "`features.age.min`: Input should be a finite number. Received: nan.",
        ),
        (
            features(age={"skew": {"linf": 0.1}}),
            "`features.age`: `skew` of a numeric feature must be given as `js`",
        ),
        (
            features(age={"drift": {"linf": 0.1, "js": 0.1}}),
            "`features.age.drift`: exactly one of `linf` and `js` must be given.",
        ),
        (
            features(age={"drift": {}}),
            "`features.age.drift`: exactly one of `linf` and `js` must be given.",
        ),
        (
            features(device={"values": ["phone", 7]}),
            (
                "`features.device`: `values` must be of the feature's `dtype`, string. "
                "Received: 7."
            ),
        ),
        (
            features(item={"values": ["seven"]}),
            (
                "`features.item`: `values` must be of the feature's `dtype`, int64. "
                "Received: 'seven'."
            ),
        ),
        (
            features(device={"values": []}),
            "`features.device.values`: must hold at least 1. Received: [].",
        ),
        (
            features(hour={"dtype": "string"}),
            "`features.hour`: `vocabulary.kind: identity` needs `dtype: int64`.",
        ),
        (
            features(colours={"vocabulary": {"kind": "identity", "size": 9}}),
            "`features.colours`: `vocabulary.kind: identity` needs `dtype: int64`.",
        ),
        (
            features(item_hour={"column": "pixels"}),
            "`features.item_hour`: `column` has no meaning here",
        ),
        (
            features(item_hour={"drift": {"linf": 0.1}}),
            "`features.item_hour`: `drift` has no meaning here",
        ),
        # Rules between fields.
        (
            features(history={"of": "itm"}),
            (
                "`features.history.of` must name a categorical feature, not `itm`. "
                "Did you mean `item`?"
            ),
        ),
        (
            features(history={"side": {"x": {"of": "age", "column": "ages"}}}),
            "`features.history.side.x.of` must name a categorical feature, not `age`.",
        ),
        (
            features(picture={"of": "price"}),
            "`features.picture.of` must name a categorical feature, not `price`.",
        ),
        (
            features(item_hour={"of": ["item", "age"]}),
            "`features.item_hour.of` must name a categorical feature, not `age`.",
        ),
        (
            top(slices=[["devise"]]),
            (
                "`slices` must name categorical, numeric or multi_hot features, not "
                "`devise`. Did you mean `device`?"
            ),
        ),
        (top(slices=[["history"]]), "features, not `history`."),
        (without("timestamp"), "`split.kind: time` needs `timestamp`"),
        (
            features(click={"kind": "numeric", "role": "user"}),
            "`features.click` gives a tensor called `click`, which is `labels.click`",
        ),
        (
            features(sample_weight={"kind": "numeric", "role": "user"}),
            (
                "`features.sample_weight` gives a tensor called `sample_weight`, which is "
                "a reserved name already"
            ),
        ),
        (
            features(history__device={"kind": "numeric", "role": "user"}),
            (
                "`features.history__device` gives a tensor called `history__device`, "
                "which is `features.history.side.device` already"
            ),
        ),
        (
            features(age={"column": "bought", "dtype": "int64"}),
            (
                "`features.age` reads the column `bought` of the label `labels.buy`: the "
                "answer must not be an input"
            ),
        ),
        (
            features(age={"column": "item"}),
            (
                "`features.age` reads the column `item` as float32, `features.item` as "
                "int64; they must agree"
            ),
        ),
        (
            features(colours={"column": "device"}),
            "reads the column `device` as a list of string, `features.device` as string",
        ),
        (
            features(age={"column": "time"}),
            "`timestamp` reads the column `time` as int64, `features.age` as float32",
        ),
        (top(weight="item"), "`weight` reads the column `item` as float32"),
        (top(propensity="device"), "`propensity` reads the column `device` as float32"),
        (
            top(group_key="age"),
            (
                "`group_key` must be one int64 or string a row, but `features.age` reads "
                "the column `age` as float32"
            ),
        ),
        (top(group_key="history"), "reads the column `history` as a list of int64"),
        (
            top(split={"kind": "hash", "key": ["hour_of_dy"]}),
            (
                "`split.key` must name columns that the spec reads, not `hour_of_dy`. "
                "Did you mean `hour_of_day`?"
            ),
        ),
        # The split itself.
        (top(split={"kind": "tme"}), "`split.kind`: must be one of given, hash, time."),
        (
            top(split={"kind": "time", "valid": 0.1}),
            "`split`: give either both `valid` and `test` or both `valid_from` and",
        ),
        (
            top(split={"kind": "time", "valid": 0.1, "test": 0.1, "test_from": 5}),
            "`split`: give either both `valid` and `test` or both `valid_from` and",
        ),
        (
            top(split={"kind": "time", "valid": 0.5, "test": 0.5}),
            "`split`: `valid` + `test` must be below 1.",
        ),
        (
            top(split={"kind": "time", "valid_from": 9, "test_from": 9}),
            "`split`: `valid_from` must lie before `test_from`.",
        ),
        (
            top(split={"kind": "time", "valid": 1.5, "test": 0.1}),
            "`split.valid`: Input should be less than 1. Received: 1.5.",
        ),
        (
            top(split={"kind": "hash", "key": ["item"], "valid": 0.5, "test": 0.5}),
            "`split`: `valid` + `test` must be below 1.",
        ),
        (
            top(split={"kind": "hash", "key": []}),
            "`split.key`: must hold at least 1. Received: [].",
        ),
        (
            top(split={"kind": "hash", "key": [1]}),
            "`split.key.0`: Input should be a valid string. Received: 1. Fix:",
        ),
    ],
)
def test_a_broken_rule_is_named_with_file_field_and_value(
    tmp_path: pathlib.Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    content = copy.deepcopy(GOOD)
    change(content)
    path = tmp_path / "features.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))

    with pytest.raises(ConfigError) as caught:
        load_spec(path)

    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_feature_written_twice_is_refused_with_its_line(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "features.yaml"
    path.write_text(
        "name: shop\n"
        "labels: {click: {}}\n"
        "split: {kind: given}\n"
        "features:\n"
        "  item: {kind: categorical, role: item}\n"
        "  item: {kind: numeric, role: item}\n"
    )

    with pytest.raises(ConfigError) as caught:
        load_spec(path)

    assert caught.value.where == f"{path}, line 6, column 3"
    assert "found the duplicate key `item`" in caught.value.what


def test_columns_are_typed_and_in_order() -> None:
    columns = spec_of(GOOD).columns()

    assert list(columns.values()) == [
        Column("click", "int64", False, True),
        Column("bought", "int64", False, False),
        Column("item", "int64", False, True),
        Column("device", "string", False, True),
        Column("hour_of_day", "int64", False, True),
        Column("age", "float32", False, False),
        Column("price", "float32", False, True),
        Column("colours", "string", True, True),
        Column("history", "int64", True, False),
        Column("history_device", "string", True, False),
        Column("time", "int64", False, True),
        Column("row_weight", "float32", False, True),
        Column("chance", "float32", False, True),
        Column("session", "int64", False, True),
    ]
    assert list(columns) == [column.name for column in columns.values()]


def test_a_column_is_required_if_one_of_its_readers_requires_it() -> None:
    content = copy.deepcopy(GOOD)
    features(
        age_bucket={
            "kind": "numeric",
            "role": "user",
            "column": "age",
            "encoder": "buckets",
        }
    )(content)

    assert spec_of(content).columns()["age"].required


def test_a_group_key_that_is_a_feature_keeps_its_type() -> None:
    columns = spec_of(GOOD | {"group_key": "device"}).columns()

    assert columns["device"] == Column("device", "string", False, True)
    assert "session" not in columns


def test_tables_have_rows_for_padding_vocabulary_and_unknown_values() -> None:
    content = copy.deepcopy(GOOD)
    features(
        colours={"vocabulary": {"kind": "learned", "oov_buckets": 3}},
        item={"vocabulary": {"kind": "learned"}},
    )(content)

    rows = spec_of(content).table_rows({"item": 100, "colours": 7})

    assert rows == {
        "item": 1 + 100 + 1,
        "device": 1 + 8,
        "hour": 1 + 24 + 1,
        "colours": 1 + 7 + 3,
        "item_hour": 1 + 32,
    }


def test_model_inputs_name_kind_role_table_and_length() -> None:
    inputs = spec_of(GOOD).model_inputs({"item": 100, "colours": 7})

    assert inputs == (
        ModelInput("item", "id", "item", "item", 102),
        ModelInput("device", "id", "context", "device", 9),
        ModelInput("hour", "id", "context", "hour", 26),
        ModelInput("age", "value", "user"),
        ModelInput("price", "value", "item"),
        ModelInput("colours", "id_set", "item", "colours", 9, 3),
        ModelInput("history", "sequence", "user", "item", 102, 5),
        ModelInput(
            "history__device", "sequence", "user", "device", 9, 5, side_of="history"
        ),
        ModelInput("picture", "vector", "item", entity="item", entities=102, width=16),
        ModelInput("item_hour", "id", "context", "item_hour", 33),
    )


def sequence(**keys: Any) -> dict[str, Any]:
    """The good content with keys of its history changed."""
    content = copy.deepcopy(GOOD)
    features(history=keys)(content)
    return content


EVENTS = {"key": "session", "timestamp": "at", "columns": {"history": "item"}}


def test_ages_of_events_are_a_side_input_of_their_own_table() -> None:
    spec = spec_of(sequence(times="history_times"))

    assert spec.columns()["history_times"] == Column(
        "history_times", "int64", True, False
    )
    assert spec.table_rows({"item": 100, "colours": 7})["history__age"] == 1 + 64
    (age,) = [
        i
        for i in spec.model_inputs({"item": 100, "colours": 7})
        if i.name == "history__age"
    ]
    assert age == ModelInput(
        "history__age", "sequence", "user", "history__age", 65, 5, side_of="history"
    )


def test_a_request_holds_what_features_read_of_the_log() -> None:
    content = sequence(times="history_times")
    content["features"]["picture"]["column"] = "row_weight"  # of the item data

    served = [
        *("item", "device", "hour_of_day", "age", "price", "colours", "history"),
        "history_device",
    ]
    assert list(spec_of(GOOD).serving_columns()) == served
    assert list(spec_of(content).serving_columns()) == [
        *served,
        "history_times",
        "time",
    ]


def test_the_columns_of_an_event_log_stand_for_list_columns() -> None:
    spec = spec_of(sequence(times="when", presence="required", events=EVENTS))

    assert list(spec.event_logs()) == ["history"]
    assert spec.event_columns("history") == {
        "history": "item",
        "history_device": "history_device",
        "when": "at",
    }
    assert not spec.columns()["history"].required  # there may be no events
    assert spec_of(GOOD).event_logs() == {}
    assert spec_of(GOOD).event_columns("history") == {}


@pytest.mark.parametrize(
    ("history", "message"),
    [
        (
            {"events": {"key": "sesion"}},
            (
                "`features.history.events.key` must name a column of int64 or string "
                "values that the spec reads, not `sesion`. Did you mean `session`?"
            ),
        ),
        ({"events": {"key": "age"}}, "int64 or string values that the spec reads"),
        ({"events": {"key": "colours"}}, "int64 or string values that the spec reads"),
        (
            {"events": EVENTS | {"columns": {"histry": "item"}}},
            (
                "`features.history.events.columns` must name list columns of the "
                "sequence and its sides, not `histry`. Did you mean `history`?"
            ),
        ),
        (
            {"times": "when", "events": EVENTS | {"columns": {"when": "later"}}},
            "list columns of the sequence and its sides, not `when`.",
        ),
        (
            {"events": EVENTS | {"lag": -1}},
            "Input should be greater than or equal to 0",
        ),
        (
            {"times": "item"},
            (
                "`features.history.times` reads the column `item` as a list of int64, "
                "`features.item` as int64; they must agree"
            ),
        ),
    ],
)
def test_broken_rules_of_events_and_times_are_named(
    history: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        spec_of(sequence(**history))


@pytest.mark.parametrize("field", ["times", "events"])
def test_times_and_events_need_the_time_of_the_row(field: str) -> None:
    content = sequence(**{"times": "when"} if field == "times" else {"events": EVENTS})
    content |= {"timestamp": None, "split": {"kind": "given"}}

    with pytest.raises(
        ValueError, match=f"`features.history.{field}` needs `timestamp`"
    ):
        spec_of(content)


def test_a_column_that_is_made_from_events_has_one_reader() -> None:
    content = sequence(events=EVENTS)
    features(
        again={"kind": "sequence", "role": "user", "of": "item", "column": "history"}
    )(content)

    with pytest.raises(
        ValueError,
        match="`features.again` reads the column `history`, which "
        "`features.history.events` makes for `features.history` alone",
    ):
        spec_of(content)


def test_an_age_needs_a_name_of_its_own() -> None:
    content = sequence(times="when")
    features(history__age={"kind": "numeric", "role": "user"})(content)

    with pytest.raises(ValueError, match="which is `features.history.times` already"):
        spec_of(content)


def test_model_inputs_carry_the_encodings_of_a_plan() -> None:
    encodings: dict[str, NumericEncoding] = {
        "age": AutoDisEncoding(),
        "price": LinearEncoding(),
    }

    inputs = {
        i.name: i
        for i in spec_of(GOOD).model_inputs({"item": 100, "colours": 7}, encodings)
    }

    assert {n: i.numeric for n, i in inputs.items() if i.numeric} == encodings
    assert [n for n, i in inputs.items() if i.may_be_missing] == ["age", "price"]
    assert all(ModelInput.of(i.to_dict()) == i for i in inputs.values())


def test_the_numeric_features_are_those_of_kind_numeric() -> None:
    assert list(spec_of(GOOD).numeric_features()) == ["age", "price"]


def test_the_first_label_is_the_one_that_models_predict() -> None:
    spec = spec_of(GOOD)
    bought_first = spec_of(GOOD | {"labels": {"buy": {"column": "bought"}}})

    assert (spec.label, spec.label_column) == ("click", "click")
    assert (bought_first.label, bought_first.label_column) == ("buy", "bought")


def test_a_spec_cannot_be_changed_after_it_was_checked() -> None:
    with pytest.raises(ValueError, match="frozen"):
        spec_of(GOOD).name = "other"  # type: ignore[misc]


_names = st.from_regex(r"[a-z]{3,6}", fullmatch=True)
_roles = st.sampled_from(["user", "item", "context"])
_vocabularies = st.one_of(
    st.fixed_dictionaries(
        {"kind": st.just("learned")},
        optional={
            "min_count": st.integers(1, 9),
            "max_size": st.integers(1, 10**9),
            "oov_buckets": st.integers(1, 9),
        },
    ),
    st.fixed_dictionaries({"kind": st.just("hash"), "buckets": st.integers(2, 99)}),
    st.fixed_dictionaries({"kind": st.just("identity"), "size": st.integers(1, 99)}),
)
_plain_features = st.one_of(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(["categorical", "multi_hot"]),
            "role": _roles,
            "dtype": st.just("int64"),
            "vocabulary": _vocabularies,
        },
        optional={"presence": st.sampled_from(["required", "optional"])},
    ),
    st.fixed_dictionaries(
        {"kind": st.just("numeric"), "role": _roles},
        optional={
            "scaling": st.sampled_from(["none", "log1p", "quantile_rank"]),
            "encoder": st.sampled_from(["auto", *ENCODERS]),
            "autodis": st.fixed_dictionaries(
                {},
                optional={
                    "meta_embeddings": st.integers(1, 4096),
                    "temperature": st.floats(1e-6, 1e3),
                    "form": st.sampled_from(["full", "reduced"]),
                },
            ),
            "default": st.floats(-1e30, 1e30),
            "drift": st.fixed_dictionaries({"js": st.floats(1e-3, 1.0)}),
        },
    ),
)


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(_names, min_size=1, max_size=6, unique=True))
    content: dict[str, Any] = {name: draw(_plain_features) for name in names}
    categorical = [n for n in names if content[n]["kind"] == "categorical"]
    if categorical:
        of = st.sampled_from(categorical)
        content["the_history"] = {"kind": "sequence", "role": "user", "of": draw(of)}
        content["the_cross"] = {
            "kind": "cross",
            "role": "context",
            "of": [draw(of), draw(of)],
            "buckets": draw(st.integers(2, 99)),
        }
    return {
        "name": "drawn",
        "labels": {"the_click": {}},
        "split": {"kind": "given"},
        "features": content,
    }


@settings(deadline=None, max_examples=50)
@given(specs())
def test_a_spec_survives_json_and_yaml(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]
) -> None:
    spec = spec_of(content)
    path = tmp_path_factory.mktemp("spec") / "features.yaml"
    path.write_text(yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False))

    assert FeatureSpec.model_validate_json(spec.model_dump_json()) == spec
    assert load_spec(path) == spec


@settings(deadline=None, max_examples=50)
@given(specs())
def test_every_input_has_its_own_name_and_every_id_its_table(
    content: dict[str, Any],
) -> None:
    spec = spec_of(content)
    sizes = dict.fromkeys(spec.vocabulary_features(), 10)

    inputs = spec.model_inputs(sizes)

    assert len({i.name for i in inputs}) == len(inputs)
    for i in inputs:
        assert (i.kind == "value") == (i.table is None)
        if i.table is not None:
            assert i.rows == spec.table_rows(sizes)[i.table]


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_the_spec_of_a_data_set_is_valid_and_points_editors_at_the_schema(
    name: str,
) -> None:
    path = SCHEMAS / name / "features.yaml"

    assert load_spec(path).name == name
    assert path.read_text().splitlines()[0] == (
        "# yaml-language-server: $schema=../features.schema.json"
    )


def test_the_editors_schema_is_in_step_with_the_code() -> None:
    committed = (SCHEMAS / "features.schema.json").read_text()

    assert json.loads(committed) == FeatureSpec.model_json_schema(), (
        "run `clickwright spec json-schema > schemas/features.schema.json`"
    )


def test_the_contracts_import_without_the_heavy_libraries() -> None:
    code = (
        "import sys, clickwright.schemas.datasets\n"
        "heavy = {'tensorflow', 'tfx', 'tensorflow_data_validation', 'apache_beam',"
        " 'keras'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
