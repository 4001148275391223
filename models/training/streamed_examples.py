"""A split that is read anew each epoch."""

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from clickwright.models.training.examples import BATCH_DTYPES, Batch

SHUFFLE_BUFFER = 262_144
"""Records that a streamed epoch draws its next one from."""
_BATCH_DTYPES = {tf.int64: BATCH_DTYPES["i"], tf.float32: BATCH_DTYPES["f"]}


class StreamedExamples:
    """Rows out of TFRecord files of transformed examples, parsed by the batch.

    The order of a shuffled epoch depends on the seed alone: files are shuffled and
    interleaved, then records within a buffer.

    Args:
        files: TFRecord files; names ending in `.gz` are gzipped.
        features: parsing spec of the inputs.
        label: name of the label; rows where it is below 0 get the weight 0.
        weight: name of the rows' weight; all 1 when None.
        max_rows: only this many rows, in the order of the files; all when None.
        rows: number of rows, if known.
    """

    def __init__(
        self,
        files: Sequence[pathlib.Path],
        features: Mapping[str, Any],
        label: str,
        weight: str | None = None,
        max_rows: int | None = None,
        rows: int = 0,
    ) -> None:
        self.files = tuple(files)
        self.rows = rows
        self._features = dict(features)
        self._label = label
        self._weight = weight
        self._max_rows = max_rows

    def batches(
        self,
        batch_size: int,
        shuffle_seed: tuple[int, ...] | None = None,
        start: int = 0,
    ) -> Iterator[Batch]:
        """See `Examples.batches`."""
        yield from self._dataset(batch_size, shuffle_seed, start)

    def _dataset(
        self, batch_size: int, shuffle_seed: tuple[int, ...] | None, start: int
    ) -> tf.data.Dataset:
        files = tf.data.Dataset.from_tensor_slices([str(f) for f in self.files])
        if shuffle_seed is None or self._max_rows is not None:
            records = files.flat_map(_records).take(
                -1 if self._max_rows is None else self._max_rows
            )
        else:
            files = files.shuffle(len(self.files), seed=_fold(shuffle_seed))
            records = files.interleave(
                _records, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
            )
        if shuffle_seed is not None:
            records = records.shuffle(SHUFFLE_BUFFER, seed=_fold(shuffle_seed))
        return (
            records.skip(start * batch_size)
            .batch(batch_size)
            .map(self._parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
            .prefetch(tf.data.AUTOTUNE)
        )

    def _parse(self, records: tf.Tensor) -> Batch:
        spec = {**self._features, self._label: tf.io.FixedLenFeature([], tf.float32)}
        if self._weight is not None:
            spec[self._weight] = tf.io.FixedLenFeature([], tf.float32)
        parsed = tf.io.parse_example(records, spec)
        labels = parsed[self._label]
        present = tf.cast(labels >= 0.0, tf.float32)
        weights = present if self._weight is None else present * parsed[self._weight]
        features = {
            name: tf.cast(parsed[name], _BATCH_DTYPES[parsed[name].dtype])
            for name in self._features
        }
        return Batch(features, tf.maximum(labels, 0.0), weights)


def _records(file: tf.Tensor) -> tf.data.Dataset:
    gzipped = tf.strings.regex_full_match(file, r".*\.gz")
    return tf.data.TFRecordDataset(
        file, compression_type=tf.where(gzipped, "GZIP", ""), buffer_size=8 << 20
    )


def _fold(seed: tuple[int, ...]) -> int:
    """One number out of several, below 2 ** 31, by a polynomial hash."""
    folded = 0
    for part in seed:
        folded = (folded * 1_000_003 + part) % (2**31 - 1)
    return folded
