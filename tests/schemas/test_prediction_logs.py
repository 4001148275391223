"""Files of requests and answers of a model server."""

import pathlib

import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from clickwright.schemas.errors import DataError, MachineError
from clickwright.schemas.prediction_logs import read_logs, write_logs


def test_what_is_written_is_read_in_order(tmp_path: pathlib.Path) -> None:
    logs = [_log("rank", 3), _log("predict_raw", 5)]
    path = tmp_path / "assets.extra" / "requests"
    write_logs(path, logs)
    assert list(read_logs(path)) == logs


def test_the_same_logs_give_the_same_bytes(tmp_path: pathlib.Path) -> None:
    for name in ("one", "two"):
        write_logs(tmp_path / name, [_log("rank", 3)])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_missing_file_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DataError, match=r"nothing: There is no such file"):
        list(read_logs(tmp_path / "nothing"))


def test_a_file_that_is_cut_off_gives_what_is_whole_and_says_where_it_ends(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "logs"
    write_logs(path, [_log("rank", 3), _log("rank", 4)])
    path.write_bytes(path.read_bytes()[:-3])
    found: list[PredictionLog] = []
    with pytest.raises(DataError, match="after record 1"):
        found.extend(read_logs(path))


def test_records_of_something_else_are_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "logs"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b"\xff\xff")
    with pytest.raises(DataError, match="Record 1 is no `PredictionLog`"):
        list(read_logs(path))


def test_a_file_that_cannot_be_written_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="cannot be written"):
        write_logs(tmp_path / "file" / "logs", [])


def _log(signature: str, rows: int) -> PredictionLog:
    log = PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([1.0] * rows))
    request.inputs["a"].CopyFrom(tf.make_tensor_proto([b"b"] * rows))
    return log
