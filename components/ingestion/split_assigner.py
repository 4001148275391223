"""Which split a row belongs to, when a rule decides."""

import dataclasses

import numpy as np
import pandas as pd
import pyarrow as pa

from clickwright.schemas.spec import SPLITS, HashSplit


@dataclasses.dataclass(frozen=True)
class TimeAssigner:
    """Rows before `valid_from` are for training, from `test_from` on for the test.

    Attributes:
        column: the timestamps' column.
        valid_from: first timestamp of the validation split.
        test_from: first timestamp of the test split.
    """

    column: str
    valid_from: int
    test_from: int

    def assign(self, batch: pa.RecordBatch) -> np.ndarray:
        """Returns the index in `SPLITS` of each row, `[rows]`."""
        cuts = np.array([self.valid_from, self.test_from])
        times = batch.column(self.column).to_numpy()
        return np.searchsorted(cuts, times, side="right")


@dataclasses.dataclass(frozen=True)
class HashAssigner:
    """Rows of one key stay together; the key's hash decides where.

    The hash is `pandas.util.hash_pandas_object` (SipHash of text, a mix of integers)
    over the salt and the key's columns in the types of the feature spec. So it is the
    same in every run, for every file format, and for int32 as for int64 files; but the
    spec's 7 and "7" differ.

    Attributes:
        rule: the columns, the salt and the shares.
    """

    rule: HashSplit

    def assign(self, batch: pa.RecordBatch) -> np.ndarray:
        """Returns the index in `SPLITS` of each row, `[rows]`."""
        keys = batch.select(list(self.rule.key)).to_pandas()
        keys.insert(0, "salt", self.rule.salt, allow_duplicates=True)
        hashes = pd.util.hash_pandas_object(keys, index=False).to_numpy()
        share = (hashes >> np.uint64(11)) * 2.0**-53  # uniform in [0, 1)
        cuts = [1.0 - self.rule.valid - self.rule.test, 1.0 - self.rule.test]
        return np.searchsorted(cuts, share, side="right")


SplitAssigner = TimeAssigner | HashAssigner


def parts(batch: pa.RecordBatch, splits: np.ndarray) -> dict[str, pa.RecordBatch]:
    """Divides the rows of a batch by the split of each; empty parts are left out."""
    found = {}
    for index, name in enumerate(SPLITS):
        chosen = splits == index
        if chosen.all():
            return {name: batch} if len(chosen) else {}
        if chosen.any():
            found[name] = batch.filter(pa.array(chosen))
    return found
