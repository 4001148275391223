"""What the report reads from the artifacts of a run."""

import json
import pathlib
import subprocess
import sys

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from clickwright.pipeline.report.anomalies import (
    AnomalyRecord,
    ComparisonRecord,
    read_data_check,
)
from clickwright.pipeline.report.learning_curve import EpochRecord, read_learning_curve
from clickwright.pipeline.report.statistics import Bucket, read_statistics
from clickwright.schemas.errors import DataError

STATISTICS = """
datasets {
  num_examples: 10
  features {
    path { step: "device" }
    type: STRING
    string_stats {
      common_stats {
        num_non_missing: 8 num_missing: 2 max_num_values: 1 tot_num_values: 8
      }
      unique: 2
      top_values { value: "wrong, the histogram has more" frequency: 1 }
      rank_histogram {
        buckets { label: "mobile" sample_count: 5 }
        buckets { label: "desktop" sample_count: 3 }
      }
    }
  }
  features {
    path { step: "price" }
    type: FLOAT
    num_stats {
      common_stats { num_non_missing: 10 max_num_values: 3 tot_num_values: 30 }
      mean: 2.5 std_dev: 1.5 num_zeros: 4 min: 0 median: 2 max: 9
      histograms {
        type: STANDARD
        buckets { low_value: 0 high_value: 9 sample_count: 30 }
        buckets { low_value: 9 high_value: inf sample_count: 1 }
      }
      histograms {
        type: QUANTILES
        buckets { low_value: 0 high_value: 2 sample_count: 15 }
        buckets { low_value: 2 high_value: 9 sample_count: 15 }
      }
    }
  }
  features {
    path { step: "gone" }
    type: FLOAT
    num_stats { common_stats { } }
  }
}
"""
ANOMALIES = """
anomaly_info {
  key: "price"
  value {
    severity: ERROR
    reason { short_description: "Too big" description: "9 is more than 5" }
    reason { short_description: "Too small" description: "-1 is less than 0" }
  }
}
anomaly_info {
  key: "hour"
  value { severity: WARNING reason { short_description: "Odd" } }
}
drift_skew_info {
  path { step: "price" }
  drift_measurements { type: JENSEN_SHANNON_DIVERGENCE value: 0.02 threshold: 0.03 }
  skew_measurements { type: L_INFTY value: 0.04 threshold: 0.05 }
}
"""


def write(path: pathlib.Path, content: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)


def test_statistics_are_read_split_by_split(tmp_path: pathlib.Path) -> None:
    proto = text_format.Parse(STATISTICS, statistics_pb2.DatasetFeatureStatisticsList())
    for split in ("train", "test"):
        write(
            tmp_path / f"Split-{split}" / "FeatureStats.pb", proto.SerializeToString()
        )

    found = read_statistics(tmp_path)

    assert list(found) == ["test", "train"]
    assert found["train"].rows == 10
    device, price, gone = found["train"].features.values()
    assert (device.name, device.type, device.missing, device.longest) == (
        "device",
        "string",
        2,
        1,
    )
    assert device.missing_share == 0.2
    assert device.values is not None
    assert (device.values.unique, device.values.total) == (2, 8)
    assert list(device.values.counts.items()) == [("mobile", 5), ("desktop", 3)]
    assert (price.type, price.missing, price.longest) == ("float", 0, 3)
    assert price.numeric is not None
    assert (price.numeric.mean, price.numeric.std_dev) == (2.5, 1.5)
    assert (price.numeric.minimum, price.numeric.median, price.numeric.maximum) == (
        0,
        2,
        9,
    )
    assert price.numeric.zeros == 4
    assert price.numeric.histogram == (Bucket(0, 9, 30),)  # no bucket without an end
    assert price.numeric.quantiles == (Bucket(0, 2, 15), Bucket(2, 9, 15))
    assert (gone.missing, gone.numeric, gone.values) == (10, None, None)


def test_a_folder_without_statistics_reads_as_none(tmp_path: pathlib.Path) -> None:
    assert read_statistics(tmp_path) == {}


@pytest.mark.parametrize("content", [b"\x0a\xff broken", b""])
def test_damaged_statistics_are_refused_by_name(
    tmp_path: pathlib.Path, content: bytes
) -> None:
    write(tmp_path / "Split-train" / "FeatureStats.pb", content)

    with pytest.raises(DataError, match="Split-train/FeatureStats.pb"):
        read_statistics(tmp_path)


def test_anomalies_and_distances_are_read(tmp_path: pathlib.Path) -> None:
    proto = text_format.Parse(ANOMALIES, anomalies_pb2.Anomalies())
    write(tmp_path / "Split-valid" / "SchemaDiff.pb", proto.SerializeToString())

    check = read_data_check(tmp_path)

    assert check.anomalies == (
        AnomalyRecord("hour", "valid", "Odd", "", "warning"),
        AnomalyRecord("price", "valid", "Too big", "9 is more than 5"),
        AnomalyRecord("price", "valid", "Too small", "-1 is less than 0"),
    )
    assert check.comparisons == (
        ComparisonRecord(
            "price", "valid", "drift", "Jensen-Shannon divergence", 0.02, 0.03
        ),
        ComparisonRecord("price", "valid", "skew", "L-infinity", 0.04, 0.05),
    )


def test_a_split_without_rows_is_an_anomaly(tmp_path: pathlib.Path) -> None:
    proto = anomalies_pb2.Anomalies(data_missing=True)
    write(tmp_path / "Split-test" / "SchemaDiff.pb", proto.SerializeToString())

    assert read_data_check(tmp_path).anomalies == (
        AnomalyRecord("", "test", "No rows"),
    )


def test_damaged_anomalies_are_refused_by_name(tmp_path: pathlib.Path) -> None:
    write(tmp_path / "Split-train" / "SchemaDiff.pb", b"\x0a\xff broken")

    with pytest.raises(DataError, match="Split-train/SchemaDiff.pb"):
        read_data_check(tmp_path)


def test_the_training_log_is_read_line_by_line(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "training_log.jsonl"
    lines = [
        {"epoch": 1, "step": 10, "loss": 0.5, "valid_auc": None, "new_key": 1},
        {"epoch": 2, "step": 20, "loss": 0.4, "valid_auc": 0.7},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    assert read_learning_curve(path) == (
        EpochRecord(1, 10, loss=0.5),
        EpochRecord(2, 20, loss=0.4, valid_auc=0.7),
    )


@pytest.mark.parametrize("line", ['{"epoch": 1, "st', "[1]", '{"loss": 1.0}'])
def test_a_damaged_line_is_refused_by_number(tmp_path: pathlib.Path, line: str) -> None:
    path = tmp_path / "training_log.jsonl"
    path.write_text('{"epoch": 1, "step": 10}\n' + line + "\n")

    with pytest.raises(DataError, match="training_log.jsonl: line 2"):
        read_learning_curve(path)


def test_reading_needs_neither_tensorflow_nor_tfx(tmp_path: pathlib.Path) -> None:
    program = (
        "import sys\n"
        "from clickwright.pipeline.report import anomalies, render, statistics\n"
        f"statistics.read_statistics({str(tmp_path)!r})\n"
        f"anomalies.read_data_check({str(tmp_path)!r})\n"
        "print({'tensorflow', 'tfx', 'tensorflow_data_validation'} & {*sys.modules})"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout == "set()\n"
