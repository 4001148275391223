"""Reads a split: into memory where it fits, as a stream where it does not."""

import glob
import gzip
import logging
import pathlib
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import psutil
import tensorflow as tf

from clickwright.models.training.examples import Batch, Examples
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.streamed_examples import StreamedExamples
from clickwright.schemas.errors import DataError
from clickwright.schemas.model_input import ModelInput

MEMORY_SHARE = 0.25
"""Share of the available memory that one split may take."""
_READ_BATCH = 16_384

progress = logging.getLogger("clickwright.progress")
logger = logging.getLogger(__name__)


def example_files(patterns: Sequence[str]) -> list[pathlib.Path]:
    """Files that match the patterns, sorted by name.

    Raises:
        DataError: no file matches.
    """
    files = sorted({pathlib.Path(f) for p in patterns for f in glob.glob(p)})
    if not files:
        raise DataError(
            "No transformed examples were found.",
            where=", ".join(patterns),
            fix="run the Transform component again",
        )
    return files


def parsing_spec(inputs: Sequence[ModelInput]) -> dict[str, Any]:
    """How transformed examples are parsed: all dense, ids as int64."""
    return {
        i.name: tf.io.FixedLenFeature(
            [] if i.length is None else [i.length],
            tf.float32 if i.kind == "value" else tf.int64,
        )
        for i in inputs
    }


def read_examples(
    files: Sequence[pathlib.Path],
    inputs: Sequence[ModelInput],
    *,
    label: str,
    weight: str | None = None,
    split: str,
    max_rows: int | None = None,
    memory_limit: int | None = None,
) -> Examples:
    """Reads one split of transformed examples, and checks that it can be learned from.

    Small splits are kept in NumPy arrays: an epoch then costs a permutation and no
    parsing. The first pass over a split that outgrows the limit goes on for the sake
    of the checks, and epochs stream from the files.

    Args:
        files: TFRecord files.
        inputs: tensors that the model reads.
        label: name of the label; -1 where absent.
        weight: name of the rows' weight, if there is one.
        split: name of the split, for messages.
        max_rows: only this many rows; all when None.
        memory_limit: bytes that the arrays may take; a quarter of the available
            memory when None.

    Raises:
        DataError: a file is damaged, the split has no rows with a label, or these are
            all of one class.
    """
    for file in files:
        if file.suffix == ".gz":
            _check_gzip(file, split)
    if memory_limit is None:
        memory_limit = int(psutil.virtual_memory().available * MEMORY_SHARE)
    stream = StreamedExamples(files, parsing_spec(inputs), label, weight, max_rows)
    kept: list[Batch] | None = []
    size = rows = positives = labelled = 0
    try:
        for batch in stream.batches(_READ_BATCH):
            labels, weights = np.asarray(batch.labels), np.asarray(batch.weights)
            features = {name: np.asarray(v) for name, v in batch.features.items()}
            rows += len(labels)
            counted = weights > 0.0
            labelled += int(counted.sum())
            positives += int((counted & (labels > 0.5)).sum())
            size += labels.nbytes + weights.nbytes
            size += sum(values.nbytes for values in features.values())
            if kept is not None:
                kept.append(Batch(features, labels, weights))
                if size > memory_limit:
                    kept = None
            progress.info(
                "reading", extra={"rows": rows, "detail": f"reading {split} rows"}
            )
    except tf.errors.DataLossError as error:
        raise _damaged(_damaged_file(files), split, error.message) from error
    _check_classes(split, rows, labelled, positives, label)
    if kept is None:
        logger.info("%s: %d rows stream from the files", split, rows)
        stream.rows = rows
        return stream
    logger.info("%s: %d rows in memory, %d bytes", split, rows, size)
    return InMemoryExamples(
        {
            name: np.concatenate([batch.features[name] for batch in kept])
            for name in kept[0].features
        },
        np.concatenate([batch.labels for batch in kept]),
        np.concatenate([batch.weights for batch in kept]),
    )


def _check_classes(
    split: str, rows: int, labelled: int, positives: int, label: str
) -> None:
    where = f"split `{split}`, label `{label}`"
    if labelled == 0:
        raise DataError(
            f"The split has no row with a label and a positive weight. Rows: {rows}.",
            where=where,
            fix="check the label column and the split rule of the feature spec",
        )
    if positives in (0, labelled):
        raise DataError(
            f"All {labelled} labelled rows have the label {int(positives > 0)}; "
            "a click model needs both 0 and 1.",
            where=where,
            fix="check the label column and the split rule of the feature spec",
        )


def _check_gzip(file: pathlib.Path, split: str) -> None:
    """Reads the file to its checksum.

    TensorFlow takes a gzip file that was cut between two records for a shorter one.
    """
    try:
        with gzip.open(file) as stream:
            while stream.read(1 << 20):
                pass
    except (EOFError, OSError, zlib.error) as error:
        raise _damaged(file, split, str(error)) from error


def _damaged(file: pathlib.Path, split: str, why: str) -> DataError:
    return DataError(
        f"A TFRecord file of the {split} split is damaged: {why.rstrip('.')}.",
        where=str(file),
        fix="delete the results of Transform and run again",
    )


def _damaged_file(files: Sequence[pathlib.Path]) -> pathlib.Path:
    for file in files:
        kind = "GZIP" if file.suffix == ".gz" else ""
        try:
            for _ in tf.data.TFRecordDataset(str(file), kind).batch(_READ_BATCH):
                pass
        except tf.errors.DataLossError:
            return file
    return files[0].parent
