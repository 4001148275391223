"""Which split a row belongs to, when a rule decides."""

import dataclasses
import math
from collections.abc import Iterable

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


def time_cuts(
    times: Iterable[np.ndarray], valid: float, test: float
) -> tuple[int, int]:
    """Finds the timestamps at which validation and test begin.

    With all n timestamps sorted, validation begins with the one at index
    floor((1 - valid - test) * n), the test with the one at floor((1 - test) * n).

    Args:
        times: timestamps, in any order and in any number of arrays; at least one.
        valid: share of the rows for validation.
        test: share of the rows for the test.
    """
    # Times and how often they occur: a log has far fewer seconds than rows.
    counted = [np.unique(part, return_counts=True) for part in times]
    values, places = np.unique(
        np.concatenate([value for value, _ in counted]), return_inverse=True
    )
    counts = np.bincount(
        places, weights=np.concatenate([count for _, count in counted])
    )
    up_to = np.cumsum(counts.astype(np.int64))
    indices = [
        math.floor((1.0 - valid - test) * up_to[-1]),
        math.floor((1.0 - test) * up_to[-1]),
    ]
    valid_from, test_from = values[np.searchsorted(up_to, indices, side="right")]
    return int(valid_from), int(test_from)


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
