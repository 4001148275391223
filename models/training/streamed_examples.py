"""A split that is read anew each epoch."""

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from clickwright.models.training.examples import BATCH_DTYPES, Batch, cut, share_of
from clickwright.models.training.prefetched import prefetched

SHUFFLE_BUFFER = 262_144
"""Rows that a shuffled epoch mixes with each other; half of them then go out."""
_CHUNK = 16_384
"""Rows that a shuffled epoch parses at a time; fixed, since the order follows."""
_FILES_AT_ONCE = 8
"""Fixed, since the order of the rows follows from it."""
_RECORDS_IN_TURN = 1024
"""Records that are taken from one file before the next one's turn."""


class StreamedExamples:
    """Rows out of TFRecord files of transformed examples, parsed by the batch.

    Several files are read side by side, in turns of fixed length. The order of a
    shuffled epoch depends on the seed alone: files are shuffled, then records within
    a buffer.

    Args:
        files: TFRecord files; names ending in `.gz` are gzipped.
        features: parsing spec of the inputs.
        label: name of the label; rows where it is below 0 get the weight 0.
        weight: name of the rows' weight; all 1 when None.
        max_rows: only this many rows, one file after the other; all when None.
        shard: `(index, count)`: only this of `count` disjoint parts, made of whole
            files where there are enough of them.
        rows: rows of a shuffled epoch, if known.
        negative_sampling_rate: share of the rows with label 0 that a shuffled epoch
            sees; all others are in each.
    """

    def __init__(
        self,
        files: Sequence[pathlib.Path],
        features: Mapping[str, Any],
        label: str,
        weight: str | None = None,
        max_rows: int | None = None,
        shard: tuple[int, int] = (0, 1),
        rows: int = 0,
        negative_sampling_rate: float = 1.0,
    ) -> None:
        self.files = tuple(files)
        self.rows = rows
        self._features = dict(features)
        self._label = label
        self._weight = weight
        self._max_rows = max_rows
        self._shard = shard
        self._rate = negative_sampling_rate

    def batches(
        self,
        batch_size: int,
        shuffle_seed: tuple[int, ...] | None = None,
        start: int = 0,
    ) -> Iterator[Batch]:
        """See `Examples.batches`."""
        first = start * batch_size
        if shuffle_seed is None:
            return iter(self._parsed(self._records(None).skip(first), batch_size))
        return prefetched(self._shuffled(batch_size, shuffle_seed, first))

    def _shuffled(
        self, batch_size: int, seed: tuple[int, ...], first: int
    ) -> Iterator[Batch]:
        rest: Batch | None = None
        for part in self._mixed(seed):
            rows = len(part.labels)
            if first >= rows:
                first -= rows
                continue
            part = cut(part, slice(first, None))
            first = 0
            whole = part if rest is None else _joined([rest, part])
            rows = len(whole.labels)
            full = rows - rows % batch_size
            for at in range(0, full, batch_size):
                yield cut(whole, slice(at, at + batch_size))
            rest = cut(whole, slice(full, None))
        if rest is not None and len(rest.labels):
            yield rest

    def _mixed(self, seed: tuple[int, ...]) -> Iterator[Batch]:
        """The rows of an epoch; each part is half of what was in the buffer."""
        rng = np.random.default_rng(seed)
        chunks = self._parsed(self._records(seed), _CHUNK)
        buffer: list[Batch] = []
        held = seen = 0
        for chunk in chunks.as_numpy_iterator():
            if self._rate < 1.0:
                clicked = chunk.labels > 0.5  # [rows]
                negatives = np.flatnonzero(~clicked)
                kept = share_of(seen + len(negatives), self._rate)
                kept -= share_of(seen, self._rate)
                seen += len(negatives)
                clicked[rng.permutation(negatives)[:kept]] = True
                chunk = cut(chunk, clicked)
            buffer.append(chunk)
            held += len(chunk.labels)
            if held >= SHUFFLE_BUFFER:
                mixed = cut(_joined(buffer), rng.permutation(held))
                half = held // 2
                yield cut(mixed, slice(half))
                buffer, held = [cut(mixed, slice(half, None))], held - half
        if held:
            yield cut(_joined(buffer), rng.permutation(held))

    def _parsed(self, records: tf.data.Dataset, rows: int) -> tf.data.Dataset:
        return (
            records.batch(rows)
            .map(self._parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
            .prefetch(tf.data.AUTOTUNE)
        )

    def _records(self, shuffle_seed: tuple[int, ...] | None) -> tf.data.Dataset:
        index, count = self._shard
        files = tf.data.Dataset.from_tensor_slices([str(f) for f in self.files])
        if self._max_rows is not None:
            first = files.flat_map(_records_of).take(self._max_rows)
            return first.shard(count, index)
        whole_files = len(self.files) >= count
        if whole_files:
            files = files.shard(count, index)
        if shuffle_seed is not None:
            files = files.shuffle(len(self.files), seed=_fold(shuffle_seed))
        records = files.interleave(
            _records_of,
            cycle_length=_FILES_AT_ONCE,
            block_length=_RECORDS_IN_TURN,
            num_parallel_calls=_FILES_AT_ONCE,
            deterministic=True,
        )
        return records if whole_files else records.shard(count, index)

    def _parse(self, records: tf.Tensor) -> Batch:
        spec = {**self._features, self._label: tf.io.FixedLenFeature([], tf.float32)}
        if self._weight is not None:
            spec[self._weight] = tf.io.FixedLenFeature([], tf.float32)
        parsed = tf.io.parse_example(records, spec)
        labels = parsed[self._label]
        present = labels >= 0.0
        weights = tf.ones_like(labels)
        if self._weight is not None:
            weights = parsed[self._weight]
        features = {name: _narrowed(parsed[name]) for name in self._features}
        return Batch(features, tf.maximum(labels, 0.0), tf.where(present, weights, 0.0))


def _narrowed(values: tf.Tensor) -> tf.Tensor:
    """Ids as int32; those that are too large for it stay larger than any table."""
    if values.dtype != tf.int64:
        return values
    dtype = tf.as_dtype(BATCH_DTYPES["i"])
    return tf.cast(tf.clip_by_value(values, dtype.min, dtype.max), dtype)


def _records_of(file: tf.Tensor) -> tf.data.Dataset:
    gzipped = tf.strings.regex_full_match(file, r".*\.gz")
    return tf.data.TFRecordDataset(
        file, compression_type=tf.where(gzipped, "GZIP", ""), buffer_size=1 << 20
    )


def _joined(parts: Sequence[Batch]) -> Batch:
    return Batch(
        {
            name: np.concatenate([part.features[name] for part in parts])
            for name in parts[0].features
        },
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.weights for part in parts]),
    )


def _fold(seed: tuple[int, ...]) -> int:
    """One number out of several, below 2 ** 31, by a polynomial hash."""
    folded = 0
    for part in seed:
        folded = (folded * 1_000_003 + part) % (2**31 - 1)
    return folded
