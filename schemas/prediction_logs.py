"""Files of requests and answers of a model server."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from clickwright.schemas.errors import DataError, storage_error

if TYPE_CHECKING:
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog


def read_logs(path: pathlib.Path) -> Iterator[PredictionLog]:
    """Reads requests and answers, in the order of the file.

    Args:
        path: a TFRecord file of `tensorflow.serving.PredictionLog`.

    Yields:
        One log a record.

    Raises:
        DataError: there is no such file, it is cut off, or a record is something else.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    if not path.is_file():
        raise DataError(
            "There is no such file of requests.",
            where=str(path),
            fix="give the file of requests that an exported model or a log holds",
        )
    whole = 0
    try:
        for record in tf.data.TFRecordDataset(str(path)):
            log = PredictionLog.FromString(record.numpy())
            whole += 1
            yield log
    except DecodeError as error:
        raise DataError(
            f"Record {whole + 1} is no `PredictionLog`.",
            where=str(path),
            fix="give a TFRecord file of `tensorflow.serving.PredictionLog`",
        ) from error
    except tf.errors.DataLossError as error:
        raise DataError(
            f"The file is cut off or damaged after record {whole}.",
            where=str(path),
            fix="write the file again",
        ) from error


def write_logs(path: pathlib.Path, logs: Iterable[PredictionLog]) -> None:
    """Writes requests and answers; the same logs give the same bytes.

    Args:
        path: the TFRecord file; its folder is made where it is missing.
        logs: what to write.

    Raises:
        MachineError: the file cannot be written, or the disk is full.
    """
    import tensorflow as tf

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tf.io.TFRecordWriter(str(path)) as writer:
            for log in logs:
                writer.write(log.SerializeToString(deterministic=True))
    except OSError as error:
        raise storage_error(error, path) from error
    except tf.errors.OpError as error:
        raise storage_error(OSError(0, error.message), path) from error
