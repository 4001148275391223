"""AUC within groups, of more scores than memory would hold as rows."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_SLICE = 2**22  # keys whose last bits are looked at together


def score_keys(
    group: NDArray[np.int64], scores: pa.Array, positions: pa.Array
) -> NDArray[np.uint64]:
    """Packs items so that sorting the keys sorts by group, then by score.

    Args:
        group: [N] number of each list's group, below 2^31.
        scores: [N] lists of float32; null scores are left out.
        positions: [N] lists of the positions of positive items; null: none.

    Returns:
        One key an item: group, score, and in the last bit whether it is positive.
    """
    items = scores.flatten()
    lengths = np.diff(scores.offsets.to_numpy())
    starts = np.cumsum(lengths) - lengths
    values = items.fill_null(0).to_numpy() + np.float32(0)  # -0.0 becomes 0.0
    bits = values.view(np.uint32)
    # As integers, positive floats are in order; negative ones are, turned over.
    ordered = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31)).astype(np.uint64)
    keys = np.repeat(group.astype(np.uint64) << np.uint64(33), lengths)
    keys |= ordered << np.uint64(1)

    counts = positions.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    owner = np.repeat(np.arange(len(lengths)), counts)
    position = positions.flatten().to_numpy()
    inside = (position >= 0) & (position < lengths[owner])
    keys[(starts[owner] + position)[inside]] |= np.uint64(1)
    return keys[items.is_valid().to_numpy(zero_copy_only=False)]


def group_aucs(
    keys: NDArray[np.uint64],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Computes the AUC of each group that has positive and negative items.

    With r_i the rank of positive item i in its group, from 0, ties sharing their mean
    rank: AUC = (sum_i r_i - P (P - 1) / 2) / (P N).

    Args:
        keys: as `score_keys` packs them; sorted in place.

    Returns:
        Of these groups [G], ascending: their number, AUC and items.
    """
    keys.sort()
    # Positive items are few: what is looked up for them alone costs little.
    slices = (keys[start : start + _SLICE] for start in range(0, len(keys), _SLICE))
    found = [part[(part & np.uint64(1)).astype(bool)] for part in slices]
    positive = np.concatenate([keys[:0], *found])
    below = np.searchsorted(keys, positive ^ np.uint64(1))
    through = np.searchsorted(keys, positive, side="right")
    group = positive >> np.uint64(33)
    first = np.flatnonzero(np.append(True, group[1:] != group[:-1])[: len(group)])
    group = group[first]
    start = np.searchsorted(keys, group << np.uint64(33))
    items = np.searchsorted(keys, (group + np.uint64(1)) << np.uint64(33)) - start
    positives = np.diff(np.append(first, len(positive)))
    ranks = 0.5 * (below + through - 1) - np.repeat(start, positives)
    sums = np.add.reduceat(ranks, first) if len(first) else np.empty(0)

    negatives = items - positives
    both = negatives > 0
    auc = (sums - 0.5 * positives * (positives - 1))[both]
    auc /= (positives * negatives)[both]
    return group[both].astype(np.int64), auc, items[both].astype(np.float64)
