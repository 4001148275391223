"""Reads a split: into memory where it fits, else onto the disk, else as a stream."""

import concurrent.futures
import glob
import gzip
import logging
import math
import pathlib
import zlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import psutil
import tensorflow as tf

from clickwright.models.training.examples import (
    BATCH_DTYPES,
    Batch,
    Examples,
    share_of,
)
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.packed_columns import Layout, PackedColumns
from clickwright.models.training.row_store import RowStore
from clickwright.models.training.split_checks import SplitChecks
from clickwright.models.training.streamed_examples import StreamedExamples
from clickwright.schemas.errors import ConfigError, DataError
from clickwright.schemas.model_input import ModelInput

MEMORY_SHARE = 0.25
"""Share of the available memory that one split may take."""
_READ_BATCH = 16_384
_GZIP_CHECKS_AT_ONCE = 8

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
        if i.is_tensor
    }


def read_examples(
    files: Sequence[pathlib.Path],
    inputs: Sequence[ModelInput],
    *,
    label: str,
    weight: str | None = None,
    split: str,
    max_rows: int | None = None,
    shard: tuple[int, int] = (0, 1),
    negative_sampling_rate: float = 1.0,
    cache: Literal["auto", "memory", "disk", "none"] = "auto",
    cache_directory: pathlib.Path | None = None,
    memory_limit: int | None = None,
) -> Examples:
    """Reads one split of transformed examples, and checks that it can be learned from.

    The files are parsed once. Later epochs cost a permutation of arrays in memory, or
    of files of raw numbers on the disk, which a resumed run finds again. Without
    either each epoch streams from the files, and this first pass is for the sake of
    the checks.

    Args:
        files: TFRecord files.
        inputs: what the model reads; item tables' part of it is in no example.
        label: name of the label; -1 where absent.
        weight: name of the rows' weight, if there is one.
        split: name of the split, for messages and the folder on disk.
        max_rows: only this many rows, one file after the other; all when None.
        shard: `(index, count)`: only this of `count` disjoint parts, one a worker.
        negative_sampling_rate: share of the rows with label 0 that a shuffled epoch
            sees.
        cache: where rows are kept. `auto` takes memory within the limit, then the
            disk, then nothing; `none` streams.
        cache_directory: folder that belongs to this training and these files alone;
            None for no rows on disk.
        memory_limit: bytes that `auto` may keep in memory; a quarter of what is
            available when None.

    Raises:
        ConfigError: `cache` is `disk`, without a folder for it.
        DataError: a file is damaged, or the split holds what `SplitChecks` refuses.
        MachineError: `cache` is `disk`, and the folder cannot be written to.
    """
    inputs = [i for i in inputs if i.is_tensor]
    packed = _packed(inputs, split, shard, cache, cache_directory)
    if packed is not None:
        columns = packed.open()
        if columns is not None:
            logger.info("%s: %d rows were on disk", split, len(columns[-1]))
            return _in_arrays(inputs, columns, negative_sampling_rate)
    if memory_limit is None:
        memory_limit = int(psutil.virtual_memory().available * MEMORY_SHARE)
    limits = {"auto": memory_limit, "memory": math.inf, "disk": 0, "none": 0}
    store = RowStore(limits[cache], packed, required=cache == "disk")
    stream = StreamedExamples(
        files,
        parsing_spec(inputs),
        label,
        weight,
        max_rows,
        shard,
        negative_sampling_rate=negative_sampling_rate,
    )
    checks = SplitChecks(inputs, label, weight, split)
    try:
        check_gzip(files, split)
        _read(stream, checks, store, split)
        checks.finish()
        columns = store.finish()
    except BaseException:
        store.discard()
        raise
    if columns is not None:
        logger.info("%s: %d rows are kept as arrays", split, checks.rows)
        return _in_arrays(inputs, columns, negative_sampling_rate)
    logger.info("%s: %d rows stream from the files", split, checks.rows)
    sampled = share_of(checks.negatives, negative_sampling_rate)
    stream.rows = checks.rows - checks.negatives + sampled
    return stream


def _packed(
    inputs: Sequence[ModelInput],
    split: str,
    shard: tuple[int, int],
    cache: str,
    directory: pathlib.Path | None,
) -> PackedColumns | None:
    if cache not in ("auto", "disk"):
        return None
    if directory is None:
        if cache == "auto":
            return None
        raise ConfigError(
            "`cache: disk` keeps rows next to the checkpoint; this training has none.",
            where="training.cache",
            fix="use `memory`, `none` or `auto`",
        )
    index, count = shard
    name = split if count == 1 else f"{split}-{index}-of-{count}"
    layout: Layout = [
        (
            i.name,
            BATCH_DTYPES["f" if i.kind == "value" else "i"],
            () if i.length is None else (i.length,),
        )
        for i in inputs
    ]
    numbers: Layout = [(name, BATCH_DTYPES["f"], ()) for name in ("label", "weight")]
    return PackedColumns(directory / name, [*layout, *numbers])


def _read(
    stream: StreamedExamples, checks: SplitChecks, store: RowStore, split: str
) -> None:
    try:
        for tensors in stream.batches(_READ_BATCH):
            batch = Batch(
                {name: np.asarray(v) for name, v in tensors.features.items()},
                np.asarray(tensors.labels),
                np.asarray(tensors.weights),
            )
            checks.add(batch)
            store.append([*batch.features.values(), batch.labels, batch.weights])
            progress.info(
                "reading",
                extra={"rows": checks.rows, "detail": f"reading {split} rows"},
            )
    except tf.errors.DataLossError as error:
        raise damaged(damaged_file(stream.files), split, error.message) from error
    except tf.errors.InvalidArgumentError as error:
        raise DataError(
            "The rows do not hold what the model reads: "
            f"{error.message.partition(chr(10))[0].rstrip('.')}.",
            where=f"split `{split}`",
            fix="delete the results of Transform and run again",
        ) from error


def _in_arrays(
    inputs: Sequence[ModelInput],
    columns: Sequence[np.ndarray[Any, Any]],
    negative_sampling_rate: float,
) -> InMemoryExamples:
    *features, labels, weights = columns
    names = [i.name for i in inputs]
    return InMemoryExamples(
        dict(zip(names, features, strict=True)),
        labels,
        weights,
        negative_sampling_rate,
    )


def check_gzip(files: Sequence[pathlib.Path], split: str) -> None:
    """Reads all files to their checksums.

    TensorFlow takes a gzip file that was cut between two records for a shorter one.

    Raises:
        DataError: a gzipped file is damaged or cut off.
    """
    gzipped = [file for file in files if file.suffix == ".gz"]
    with concurrent.futures.ThreadPoolExecutor(_GZIP_CHECKS_AT_ONCE) as threads:
        for file, why in zip(gzipped, threads.map(gzip_damage, gzipped), strict=True):
            if why:
                raise damaged(file, split, why)


def gzip_damage(file: pathlib.Path) -> str | None:
    """Reads a gzip file to its checksum, and says what is wrong with it, if anything."""
    try:
        with gzip.open(file) as stream:
            while stream.read(1 << 20):
                pass
    except (EOFError, OSError, zlib.error) as error:
        return str(error)
    return None


def damaged(file: pathlib.Path, split: str, why: str) -> DataError:
    """The error that a damaged file is."""
    return DataError(
        f"A TFRecord file of the {split} split is damaged: {why.rstrip('.')}.",
        where=str(file),
        fix="delete the results of Transform and run again",
    )


def damaged_file(files: Sequence[pathlib.Path]) -> pathlib.Path:
    """The first of the files that cannot be read to its end."""
    for file in files:
        kind = "GZIP" if file.suffix == ".gz" else ""
        try:
            for _ in tf.data.TFRecordDataset(str(file), kind).batch(_READ_BATCH):
                pass
        except tf.errors.DataLossError:
            return file
    return files[0].parent
