"""Loads a SavedModel the way a model server does.

As a program it is given a folder and signatures, and says on standard output what is
wrong with them; see `isolated_load_test`.
"""

import json
import logging
import pathlib
import sys
from collections.abc import Collection

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from clickwright.schemas.errors import DataError

log = logging.getLogger(__name__)


def load_test(model: pathlib.Path, signatures: Collection[str]) -> None:
    """Loads `model`, looks for its signatures and calls each on an empty batch.

    It goes through the TensorFlow 1 loader, which builds and restores a session as TF
    Serving does. `tf.saved_model.load` accepts models whose variables are out of reach
    there; that shows only when a signature reads them.

    Raises:
        DataError: the model cannot be loaded, lacks a signature, or a signature
            cannot reach its variables.
    """
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        try:
            meta_graph = tf.compat.v1.saved_model.loader.load(
                session, [tf.saved_model.SERVING], str(model)
            )
        except (tf.errors.OpError, OSError, RuntimeError, ValueError) as error:
            raise DataError(
                f"The model cannot be loaded: {_one_line(error)}.",
                where=str(model),
                fix="export the model again",
            ) from error
        found = meta_graph.signature_def
        for name in signatures:
            if name not in found:
                raise DataError(
                    f"The model lacks the signature `{name}`. "
                    f"Received: {', '.join(sorted(found))}.",
                    where=str(model),
                    fix="export the signature, or do not ask for it",
                )
            try:
                session.run(*_empty_call(found[name]))
            except (
                tf.errors.FailedPreconditionError,
                tf.errors.NotFoundError,
            ) as error:
                raise DataError(
                    f"The signature `{name}` cannot reach what it reads: "
                    f"{_one_line(error)}.",
                    where=str(model),
                    fix="export through `keras.export.ExportArchive`",
                ) from error
            except tf.errors.InvalidArgumentError as error:
                # Some graphs cannot reshape an empty batch; no defect of the model.
                log.info("`%s` takes no empty batch: %s", name, _one_line(error))


def _empty_call(signature: SignatureDef) -> tuple[list[str], dict[str, np.ndarray]]:
    """The outputs to fetch, and inputs of batch size 0 (other free sizes are 1).

    A batch size that is fixed stays: `rank` takes one user, here with no candidates.
    """
    feeds = {}
    for tensor in signature.inputs.values():
        sizes = [dim.size if dim.size >= 0 else 1 for dim in tensor.tensor_shape.dim]
        if sizes and tensor.tensor_shape.dim[0].size < 0:
            sizes[0] = 0
        dtype = tf.dtypes.as_dtype(tensor.dtype)
        empty = b"" if dtype == tf.string else 0
        feeds[tensor.name] = np.full(sizes, empty, dtype.as_numpy_dtype)
    return [tensor.name for tensor in signature.outputs.values()], feeds


def _one_line(error: Exception) -> str:
    text = error.message if isinstance(error, tf.errors.OpError) else str(error)
    return " ".join(text.split()).rstrip(".")


if __name__ == "__main__":
    try:
        load_test(pathlib.Path(sys.argv[1]), sys.argv[2:])
    except DataError as error:
        sys.stdout.write(
            json.dumps({"what": error.what, "where": error.where, "fix": error.fix})
        )
        sys.exit(1)
