"""A uniform sample of a stream of rows."""

import numpy as np
import pyarrow as pa


class Reservoir:
    """Keeps as many rows of a stream as it has room for, each equally likely.

    Each row gets a random key, and those with the smallest keys stay: the sample that
    reservoir sampling gives, a batch at a time.

    Args:
        size: rows to keep; a shorter stream is kept whole.
        rng: what to draw with.

    References:
        Vitter, "Random Sampling with a Reservoir", ACM Trans. Math. Softw. 11 (1985).
    """

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self._size = size
        self._rng = rng
        self._keys = np.zeros(0)
        self._rows: pa.Table | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes the next rows of the stream."""
        keys = self._rng.random(batch.num_rows)
        if len(self._keys) == self._size:
            better = keys < self._keys.max(initial=0.0)
            keys, batch = keys[better], batch.filter(pa.array(better))
        found = pa.Table.from_batches([batch])
        if self._rows is not None:
            found = pa.concat_tables([self._rows, found])
            keys = np.concatenate([self._keys, keys])
        if len(keys) > self._size:
            kept = np.sort(np.argpartition(keys, self._size)[: self._size])
            # Contiguous, so that the batches they come from can be let go.
            keys, found = keys[kept], found.take(kept).combine_chunks()
        self._keys, self._rows = keys, found

    def rows(self) -> pa.Table | None:
        """The sample, in the order of the stream; None of a stream without batches."""
        return self._rows
