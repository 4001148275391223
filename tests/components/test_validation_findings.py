"""Anomalies of hand-made statistics, in words."""

import pathlib
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import io_utils

from clickwright.components.validation.executor import Executor, validate
from clickwright.components.validation.findings import findings
from clickwright.schemas.errors import DataError
from clickwright.schemas.metadata import to_schema
from clickwright.schemas.spec import FeatureSpec

SPEC = FeatureSpec.model_validate(
    {
        "name": "shop",
        "labels": {"click": {}},
        "split": {"kind": "given"},
        "features": {
            "device": {
                "kind": "categorical",
                "role": "context",
                "values": ("phone", "desktop"),
                "drift": {"linf": 0.1},
                "skew": {"linf": 0.3},
            },
            "position": {
                "kind": "categorical",
                "role": "context",
                "dtype": "int64",
                "vocabulary": {"kind": "identity", "size": 5000},
            },
            "price": {
                "kind": "numeric",
                "role": "item",
                "min": 0.0,
                "max": 10.0,
                "drift": {"js": 0.1},
            },
            "note": {
                "kind": "categorical",
                "role": "item",
                "presence": "optional",
                "drift": {"linf": 0.5},
            },
        },
    }
)
SCHEMA = to_schema(SPEC)
GOOD: dict[str, list[Any]] = {
    "click": [0, 1] * 50,
    "device": ["phone", "desktop"] * 50,
    "position": [1, 2, 3, 4] * 25,
    "price": [i / 10 for i in range(100)],
    "note": ["n"] * 100,
}


def statistics(**changes: Any) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Statistics of `GOOD` with other columns; None leaves a column out."""
    columns = {k: v for k, v in {**GOOD, **changes}.items() if v is not None}
    return tfdv.generate_statistics_from_dataframe(
        pd.DataFrame(columns), tfdv.StatsOptions(schema=SCHEMA), n_jobs=1
    )


def lines(
    train: statistics_pb2.DatasetFeatureStatisticsList,
    valid: statistics_pb2.DatasetFeatureStatisticsList | None = None,
    baseline: statistics_pb2.DatasetFeatureStatisticsList | None = None,
) -> list[str]:
    splits = {"train": train} | ({"valid": valid} if valid else {})
    return [
        line
        for split, found in validate(splits, SCHEMA, baseline).items()
        for line in findings(split, found, splits[split], SCHEMA)
    ]


def test_good_data_have_no_findings() -> None:
    assert lines(statistics(), statistics(), statistics()) == []


def test_a_missing_column_is_named() -> None:
    assert lines(statistics(position=None)) == [
        "train: column `position`: expected the column; found no value in any row"
    ]


def test_a_new_value_of_a_closed_column_is_named() -> None:
    devices = ["phone"] * 50 + ["desktop"] * 30 + ["fridge"] * 20
    assert lines(statistics(device=devices)) == [
        "train: column `device`: expected one of `phone`, `desktop`; found fridge (~20%)"
    ]


def test_numbers_out_of_range_are_given_with_the_range() -> None:
    prices = [-5.0, *GOOD["price"][1:-1], 11.0]
    low, high = lines(statistics(price=prices))
    start = "train: column `price`: expected 0 to 10; found unexpectedly "
    assert {low[: len(start)], high[: len(start)]} == {start}
    assert "-5" in low + high
    assert "11" in low + high


def test_an_integer_beyond_its_vocabulary_is_given_with_the_range() -> None:
    (line,) = lines(statistics(position=[1, 2, 3, 7000] * 25))
    assert line.startswith("train: column `position`: expected 0 to 4,999; found ")
    assert "7000" in line


def test_a_label_outside_zero_and_one_is_found() -> None:
    (line,) = lines(statistics(click=[0, 2] * 50))
    assert line == (
        "train: column `click`: expected 0 to 1; found unexpectedly large value: 2"
    )


def test_another_type_is_given_in_the_words_of_the_spec() -> None:
    unaware = tfdv.generate_statistics_from_dataframe(
        pd.DataFrame({**GOOD, "price": ["cheap"] * 100}), n_jobs=1
    )
    assert "train: column `price`: expected float32; found string" in lines(unaware)


def test_findings_without_words_of_ours_have_tfdvs() -> None:
    assert (
        "train: column `price`: Invalid values: String values that were not floats "
        'were found, such as "cheap"'
    ) in lines(statistics(price=["cheap"] * 100))


def test_missing_values_of_a_required_column_are_counted() -> None:
    devices = [None] * 20 + ["phone", "desktop"] * 40
    assert (
        "train: column `device`: expected a value in every one of the rows; "
        "found one in 80 of 100 (80.0%)"
    ) in lines(statistics(device=devices))


def test_values_that_are_not_finite_are_found() -> None:
    with np.errstate(invalid="ignore"):  # the variance of the infinite
        found = lines(statistics(price=[*GOOD["price"][:-1], float("inf")]))
    assert (
        "train: column `price`: expected finite numbers; "
        "found float feature has Inf values"
    ) in found


def test_a_split_without_rows_is_found() -> None:
    empty = tfdv.generate_statistics_from_dataframe(
        pd.DataFrame({"click": pd.Series([], dtype="int64")})
    )
    assert "valid: expected rows; found none" in lines(statistics(), empty)


def test_drift_of_a_categorical_column_names_the_value() -> None:
    devices = ["phone"] * 80 + ["desktop"] * 20  # shares moved by 0.3 from 0.5
    (line,) = lines(statistics(device=devices), baseline=statistics())
    assert line.startswith(
        "train: column `device`: expected a change of a value's share of at most 0.1 "
        "against the last good data; found 0.3, of the value `"
    )


def test_drift_of_a_numeric_column_gives_the_divergence() -> None:
    (line,) = lines(
        statistics(price=[i / 50 for i in range(100)]), baseline=statistics()
    )
    assert line.startswith(
        "train: column `price`: expected a Jensen-Shannon divergence of at most 0.1 "
        "against the last good data; found 0."
    )


def test_the_other_splits_are_compared_with_the_training_split_alone() -> None:
    devices = ["phone"] * 90 + ["desktop"] * 10  # shares differ by 0.4 from 0.5
    (line,) = lines(statistics(), statistics(device=devices))
    assert line.startswith(
        "valid: column `device`: expected a change of a value's share of at most 0.3 "
        "against the training split; found 0.4, of the value `"
    )


def test_the_training_splits_own_faults_are_not_repeated_for_the_others() -> None:
    found = lines(statistics(price=[-1.0] * 100), statistics())
    assert len(found) == 1
    assert found[0].startswith("train: ")


def test_a_column_that_the_baseline_lacks_is_no_drift() -> None:
    assert lines(statistics(), baseline=statistics(note=None)) == []


def write_statistics(
    folder: pathlib.Path, **splits: statistics_pb2.DatasetFeatureStatisticsList
) -> standard_artifacts.ExampleStatistics:
    artifact = standard_artifacts.ExampleStatistics()
    artifact.uri = str(folder)
    artifact.split_names = artifact_utils.encode_split_names(list(splits))
    for split, of_split in splits.items():
        path = folder / f"Split-{split}" / "FeatureStats.pb"
        path.parent.mkdir(parents=True)
        path.write_bytes(of_split.SerializeToString())
    return artifact


def execute(
    folder: pathlib.Path,
    current: standard_artifacts.ExampleStatistics,
    baseline: list[standard_artifacts.ExampleStatistics],
) -> standard_artifacts.ExampleAnomalies:
    schema = standard_artifacts.Schema()
    schema.uri = str(folder / "schema")
    io_utils.write_pbtxt_file(str(folder / "schema" / "schema.pbtxt"), SCHEMA)
    anomalies = standard_artifacts.ExampleAnomalies()
    anomalies.uri = str(folder / "anomalies")
    Executor().Do(
        {
            "statistics": [current],
            "schema": [schema],
            "baseline_statistics": list(baseline),
        },
        {"anomalies": [anomalies]},
        {"source": "data/shop"},
    )
    return anomalies


def test_good_data_leave_the_anomalies_in_tfx_own_layout(
    tmp_path: pathlib.Path,
) -> None:
    current = write_statistics(tmp_path / "now", train=statistics(), valid=statistics())
    earlier = write_statistics(tmp_path / "then", train=statistics())

    anomalies = execute(tmp_path, current, [earlier])

    assert artifact_utils.decode_split_names(anomalies.split_names) == [
        "train",
        "valid",
    ]
    assert anomalies.get_json_value_custom_property("blessed") == {
        "train": 1,
        "valid": 1,
    }
    for split in ("train", "valid"):
        path = tmp_path / "anomalies" / f"Split-{split}" / "SchemaDiff.pb"
        written = anomalies_pb2.Anomalies.FromString(path.read_bytes())
        assert not written.anomaly_info
        # The schema that the split was held against comes with it.
        assert text_format.MessageToString(written.baseline.feature[0]) == (
            text_format.MessageToString(SCHEMA.feature[0])
        )


def test_bad_data_end_in_one_message_with_a_line_a_finding(
    tmp_path: pathlib.Path,
) -> None:
    current = write_statistics(
        tmp_path / "now",
        train=statistics(position=None),
        valid=statistics(click=[0, 2] * 50),
    )

    with pytest.raises(DataError) as error:
        execute(tmp_path, current, [])

    assert str(error.value).splitlines()[:3] == [
        "data/shop: 2 findings in the data:",
        "  train: column `position`: expected the column; found no value in any row",
        "  valid: column `click`: expected 0 to 1; found unexpectedly large value: 2",
    ]
    assert "features.yaml" in error.value.fix
