"""The TF Metadata schema: what it says, and what TFX's validation makes of it."""

import functools
import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from clickwright.schemas.datasets import SOURCES
from clickwright.schemas.errors import MachineError
from clickwright.schemas.frappe.source import FrappeSource
from clickwright.schemas.metadata import to_schema, write_schema
from clickwright.schemas.movielens import rows
from clickwright.schemas.movielens.source import MovielensSource
from clickwright.schemas.spec import FeatureSpec, load_spec

SCHEMAS = pathlib.Path(__file__).parents[2] / "schemas"


def spec_of(features: dict[str, Any], **keys: Any) -> FeatureSpec:
    content = {
        "name": "shop",
        "labels": {"click": {}},
        "split": {"kind": "given"},
        "features": features,
    }
    return FeatureSpec.model_validate_json(json.dumps(content | keys))


def feature_of(feature: dict[str, Any]) -> schema_pb2.Feature:
    """The schema of one feature called `x`."""
    schema = to_schema(spec_of({"x": {"role": "user", **feature}}))
    return next(f for f in schema.feature if f.name == "x")


def parsed(text: str) -> schema_pb2.Feature:
    return text_format.Parse(text, schema_pb2.Feature())


DENSE = "presence { min_fraction: 1 min_count: 1 } shape {}"


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        (
            {"kind": "categorical"},
            f"name: 'x' type: BYTES {DENSE}",
        ),
        (
            {"kind": "categorical", "presence": "optional"},
            "name: 'x' type: BYTES value_count { min: 1 max: 1 }",
        ),
        (
            {"kind": "categorical", "dtype": "int64"},
            f"name: 'x' type: INT {DENSE} int_domain {{ is_categorical: true }}",
        ),
        (
            {"kind": "categorical", "values": ["b", "a"]},
            f"name: 'x' type: BYTES {DENSE} string_domain {{ value: ['b', 'a'] }}",
        ),
        (
            {"kind": "categorical", "dtype": "int64", "values": [7, 3]},
            (
                f"name: 'x' type: INT {DENSE} "
                "int_domain { min: 3 max: 7 is_categorical: true }"
            ),
        ),
        (
            {
                "kind": "categorical",
                "dtype": "int64",
                "vocabulary": {"kind": "identity", "size": 24},
            },
            (
                f"name: 'x' type: INT {DENSE} "
                "int_domain { min: 0 max: 23 is_categorical: true }"
            ),
        ),
        (
            {"kind": "numeric", "min": 0, "max": 2.5},
            (
                f"name: 'x' type: FLOAT {DENSE} float_domain "
                "{ min: 0 max: 2.5 disallow_nan: true disallow_inf: true }"
            ),
        ),
        (
            {"kind": "numeric"},
            (
                f"name: 'x' type: FLOAT {DENSE} "
                "float_domain { disallow_nan: true disallow_inf: true }"
            ),
        ),
        (
            {"kind": "numeric", "dtype": "int64", "min": 0.5, "max": 2.5},
            f"name: 'x' type: INT {DENSE} int_domain {{ min: 1 max: 2 }}",
        ),
        (
            {"kind": "numeric", "dtype": "int64"},
            f"name: 'x' type: INT {DENSE}",
        ),
        (
            {"kind": "multi_hot"},
            (
                "name: 'x' type: BYTES presence { min_fraction: 1 min_count: 1 } "
                "value_count { min: 1 }"
            ),
        ),
        (
            {"kind": "multi_hot", "presence": "optional"},
            "name: 'x' type: BYTES value_count { min: 0 }",
        ),
        (
            {"kind": "categorical", "drift": {"linf": 0.1}, "skew": {"js": 0.2}},
            (
                f"name: 'x' type: BYTES {DENSE} "
                "drift_comparator { infinity_norm { threshold: 0.1 } } "
                "skew_comparator { jensen_shannon_divergence { threshold: 0.2 } }"
            ),
        ),
    ],
)
def test_a_feature_gives_type_presence_domain_and_comparators(
    feature: dict[str, Any], expected: Any
) -> None:
    assert feature_of(feature) == parsed(expected)


def test_histories_have_the_domain_of_the_feature_they_list() -> None:
    spec = spec_of(
        {
            "hour": {
                "kind": "categorical",
                "role": "context",
                "dtype": "int64",
                "vocabulary": {"kind": "identity", "size": 24},
            },
            "past": {
                "kind": "sequence",
                "role": "user",
                "of": "hour",
                "presence": "optional",
                "side": {"shop": {"of": "shop", "column": "past_shop"}},
            },
            "shop": {"kind": "categorical", "role": "item", "values": ["a", "b"]},
            "pair": {
                "kind": "cross",
                "role": "context",
                "of": ["hour", "shop"],
                "buckets": 9,
            },
            "photo": {"kind": "embedding", "role": "item", "of": "shop", "width": 4},
        }
    )

    features = {f.name: f for f in to_schema(spec).feature}

    assert list(features) == ["click", "hour", "past", "past_shop", "shop"]
    assert features["past"] == parsed(
        "name: 'past' type: INT value_count { min: 0 } "
        "int_domain { min: 0 max: 23 is_categorical: true }"
    )
    assert features["past_shop"] == parsed(
        "name: 'past_shop' type: BYTES value_count { min: 0 } "
        "string_domain { value: ['a', 'b'] }"
    )


def test_what_serving_lacks_is_said_so() -> None:
    spec = spec_of(
        {"user": {"kind": "categorical", "role": "user", "dtype": "int64"}},
        labels={"click": {}, "buy": {"column": "bought", "presence": "optional"}},
        timestamp="time",
        weight="row_weight",
        propensity="chance",
        group_key="session",
    )

    schema = to_schema(spec)
    by_user = to_schema(spec.model_copy(update={"group_key": "user"}))

    assert list(schema.default_environment) == ["TRAINING", "SERVING"]
    absent = [f.name for f in schema.feature if "SERVING" in f.not_in_environment]
    assert absent == ["click", "bought", "time", "row_weight", "chance", "session"]
    user = next(f for f in by_user.feature if f.name == "user")
    assert not user.not_in_environment  # a feature serves, whatever else it is


def test_serving_has_the_times_of_events_and_may_lack_the_rows_time() -> None:
    spec = spec_of(
        {
            "item": {"kind": "categorical", "role": "item"},
            "history": {
                "kind": "sequence",
                "role": "user",
                "of": "item",
                "presence": "optional",
                "times": "when",
            },
        },
        labels={"click": {}},
        timestamp="time",
    )

    schema = to_schema(spec)

    absent = [f.name for f in schema.feature if "SERVING" in f.not_in_environment]
    assert absent == ["click", "time"]
    when = next(f for f in schema.feature if f.name == "when")
    assert when == parsed("name: 'when' type: INT value_count { min: 0 }")


def test_labels_are_0_or_1() -> None:
    spec = spec_of(
        {"age": {"kind": "numeric", "role": "user"}},
        labels={"click": {}, "buy": {"column": "bought", "presence": "optional"}},
    )

    click, bought, _ = to_schema(spec).feature

    assert click == parsed(
        f"name: 'click' type: INT {DENSE} int_domain {{ min: 0 max: 1 }} "
        "not_in_environment: 'SERVING'"
    )
    assert bought == parsed(
        "name: 'bought' type: INT value_count { min: 1 max: 1 } "
        "int_domain { min: 0 max: 1 } not_in_environment: 'SERVING'"
    )


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_the_committed_schema_is_in_step_with_the_spec(
    name: str, tmp_path: pathlib.Path
) -> None:
    folder = SCHEMAS / name
    write_schema(load_spec(folder / "features.yaml"), tmp_path / "schema.pbtxt")

    derived = (tmp_path / "schema.pbtxt").read_text()

    assert (folder / "schema.pbtxt").read_text() == derived, (
        f"run `clickwright spec schema schemas/{name}/features.yaml`"
    )


def test_a_schema_that_cannot_be_written_is_the_users_to_mend(
    tmp_path: pathlib.Path,
) -> None:
    with pytest.raises(MachineError, match="cannot be written"):
        write_schema(FrappeSource.spec(), tmp_path)


# What TFX makes of the committed schemas, on real rows.


def committed(name: str) -> schema_pb2.Schema:
    return text_format.Parse(
        (SCHEMAS / name / "schema.pbtxt").read_text(), schema_pb2.Schema()
    )


def batch(table: pa.Table) -> pa.RecordBatch:
    """The table as TFX holds it: each value in a list, null where there is none."""
    lists = []
    for column in table.combine_chunks().itercolumns():
        values = column.chunk(0)
        if not pa.types.is_list(values.type):
            there = values.is_valid().to_numpy(zero_copy_only=False)
            offsets = np.concatenate([[0], np.cumsum(there)]).astype(np.int32)
            values = pa.ListArray.from_arrays(
                pa.array(offsets, mask=np.concatenate([~there, [False]])),
                values.drop_null(),
            )
        lists.append(values)
    return pa.RecordBatch.from_arrays(lists, table.column_names)


def statistics(table: pa.Table, schema: schema_pb2.Schema) -> Any:
    import tensorflow_data_validation as tfdv
    from tensorflow_data_validation.statistics import stats_impl

    return stats_impl.generate_statistics_in_memory(
        batch(table), tfdv.StatsOptions(schema=schema)
    )


def anomalies(
    table: pa.Table, schema: schema_pb2.Schema, **options: Any
) -> dict[str, str]:
    import tensorflow_data_validation as tfdv

    found = tfdv.validate_statistics(statistics(table, schema), schema, **options)
    return {name: info.short_description for name, info in found.anomaly_info.items()}


def replaced(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, pa.array(values))


@functools.cache
def movielens_rows(folder: pathlib.Path) -> pa.Table:
    return rows.click_log(*rows.read_atomic(folder), 50).slice(0, 5000)


@pytest.fixture
def ratings(shared_data: pathlib.Path) -> pa.Table:
    return movielens_rows(shared_data / "ml100k")


def test_real_ratings_keep_their_schema(ratings: pa.Table) -> None:
    schema = committed("movielens")

    assert anomalies(ratings, schema) == {}
    assert anomalies(ratings, schema, environment="TRAINING") == {}
    request = ratings.drop_columns(["click", "timestamp"])
    assert anomalies(request, schema, environment="SERVING") == {}


def test_real_app_usage_keeps_its_schema(
    shared_data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    prepared = FrappeSource().prepare(shared_data / "frappe", tmp_path)
    train, valid = (
        pq.read_table(prepared.directory / split) for split in ("train", "valid")
    )
    schema = committed("frappe")

    assert anomalies(valid, schema) == {}
    skew = anomalies(train, schema, serving_statistics=statistics(valid, schema))
    assert skew == {}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda t: t.drop_columns(["click"]),
            {"click": "Column dropped"},
        ),
        (
            lambda t: t.drop_columns(["genres"]),
            {"genres": "Column dropped"},
        ),
        # An optional column may be absent.
        (lambda t: t.drop_columns(["history", "release_year"]), {}),
        (
            lambda t: replaced(t, "item", t["item"].to_numpy().astype(str)),
            {"item": "Unexpected data type"},
        ),
        (
            lambda t: replaced(t, "click", [2, *t["click"].to_pylist()[1:]]),
            {"click": "Out-of-range values"},
        ),
        (
            lambda t: replaced(t, "click", [-1, *t["click"].to_pylist()[1:]]),
            {"click": "Out-of-range values"},
        ),
        (
            lambda t: replaced(t, "hour", [24, *t["hour"].to_pylist()[1:]]),
            {"hour": "Out-of-range values"},
        ),
        (
            lambda t: replaced(t, "age", [0, *t["age"].to_pylist()[1:]]),
            {"age": "Out-of-range values"},
        ),
        (
            lambda t: replaced(t, "gender", ["X", *t["gender"].to_pylist()[1:]]),
            {"gender": "Unexpected string values"},
        ),
        (
            lambda t: replaced(t, "user", [None, *t["user"].to_pylist()[1:]]),
            {"user": "Multiple errors"},  # absent, and not one value a row
        ),
        (
            lambda t: replaced(t, "genres", [[], *t["genres"].to_pylist()[1:]]),
            {"genres": "Missing values"},
        ),
    ],
)
def test_rows_that_break_the_contract_are_anomalies(
    ratings: pa.Table, change: Callable[[pa.Table], pa.Table], expected: Any
) -> None:
    assert anomalies(change(ratings), committed("movielens")) == expected


# NumPy says so when the statistics' variance meets an infinite number.
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_a_number_that_is_not_finite_is_an_anomaly() -> None:
    schema = to_schema(spec_of({"price": {"kind": "numeric", "role": "item"}}))

    def table(price: float) -> pa.Table:
        prices = pa.array([1.0, price, 3.0], pa.float32())
        return pa.table({"click": [0, 1, 1], "price": prices})

    assert anomalies(table(2.0), schema) == {}
    assert anomalies(table(float("nan")), schema).keys() == {"price"}
    assert anomalies(table(float("inf")), schema).keys() == {"price"}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("hour", np.zeros(5000, np.int64)),  # integers of a vocabulary
        ("gender", ["F"] * 5000),
        ("age", np.full(5000, 99)),
    ],
)
def test_a_column_that_drifts_is_an_anomaly(
    ratings: pa.Table, name: str, values: Any
) -> None:
    schema = committed("movielens")
    last = statistics(ratings, schema)

    assert anomalies(ratings, schema, previous_statistics=last) == {}
    drifted = anomalies(
        replaced(ratings, name, values), schema, previous_statistics=last
    )
    assert drifted.keys() == {name}


def test_required_scalars_are_dense_for_transform_and_the_rest_sparse() -> None:
    import tensorflow as tf
    from tensorflow_transform.tf_metadata import schema_utils

    spec = MovielensSource.spec()
    found = schema_utils.schema_as_feature_spec(committed("movielens")).feature_spec
    dtypes = {"int64": tf.int64, "float32": tf.float32, "string": tf.string}

    assert found == {
        column.name: tf.io.FixedLenFeature([], dtypes[column.dtype])
        if column.required and not column.is_list
        else tf.io.VarLenFeature(dtypes[column.dtype])
        for column in spec.columns().values()
    }
