"""Requests that a version answers before it takes traffic."""

import logging
import pathlib
import time
from collections.abc import Collection, Mapping
from typing import Any, Protocol

import grpc
import numpy as np
import tensorflow as tf

from clickwright.schemas.errors import DataError
from clickwright.schemas.prediction_logs import read_logs
from clickwright.schemas.serving_files import WARMUP_PATH
from clickwright.serving.server import examples
from clickwright.serving.server.serving_error import ServingError

MAX_RECORDS = 1000
"""TF Serving refuses a file with more."""

log = logging.getLogger(__name__)


class _Run(Protocol):
    """`Servable.run`."""

    def __call__(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Collection[str] = (),
    ) -> dict[str, np.ndarray]: ...


def warm_up(folder: pathlib.Path, run: _Run) -> float:
    """Runs the requests of a SavedModel's warm-up file.

    Args:
        folder: the SavedModel's.
        run: runs a signature.

    Returns:
        Seconds that they took; 0 where there is no file.

    Raises:
        ServingError: the file is damaged or too long, holds something that is no
            request for a model, or a request fails.
    """
    path = folder / WARMUP_PATH
    if not path.is_file():
        return 0.0
    start, records = time.monotonic(), 0
    try:
        for records, record in enumerate(read_logs(path), 1):
            if records > MAX_RECORDS:
                raise ServingError(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at "
                    f"{path}",
                )
            _replay(record, run)
    except DataError as error:
        raise ServingError(
            grpc.StatusCode.DATA_LOSS,
            f"{error.what} Please verify your warmup data is in TFRecord format: "
            f"{path}",
        ) from error
    seconds = time.monotonic() - start
    log.info("Ran %d warm-up requests of %s in %.2f s", records, folder, seconds)
    return seconds


def _replay(record: Any, run: _Run) -> None:
    kind = record.WhichOneof("log_type")
    if kind is None:
        return
    request: Any = getattr(record, kind).request
    if kind == "predict_log":
        inputs = {name: tf.make_ndarray(x) for name, x in request.inputs.items()}
        run(request.model_spec.signature_name, inputs, request.output_filter)
    elif kind in ("classify_log", "regress_log"):
        rows = {examples.INPUTS: examples.serialized(request.input)}
        run(request.model_spec.signature_name, rows)
    elif kind == "multi_inference_log":
        rows = {examples.INPUTS: examples.serialized(request.input)}
        for task in request.tasks:
            run(task.model_spec.signature_name, rows)
    else:
        raise ServingError(
            grpc.StatusCode.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}"
        )
