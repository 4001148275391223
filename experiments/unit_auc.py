"""AUC within groups, of more scores than memory would hold as rows."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_SLICE = 2**22  # keys that are looked at together


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

    With items of one score as a block b of p_b positives and n_b negatives:
    AUC = sum_b p_b (n_{below b} + n_b / 2) / (P N).

    Args:
        keys: as `score_keys` packs them; sorted in place.

    Returns:
        Of these groups [G], ascending: their number, AUC and items.
    """
    keys.sort()
    found = []
    start = 0
    while start < len(keys):
        stop = min(start + _SLICE, len(keys))
        if stop < len(keys):  # to the end of the group
            last = (int(keys[stop - 1]) >> 33) + 1
            stop += int(np.searchsorted(keys[stop:], np.uint64(last << 33)))
        found.append(_sorted_aucs(keys[start:stop]))
        start = stop
    if not found:
        return np.empty(0, np.int64), np.empty(0), np.empty(0)
    group, auc, weight = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return group, auc, weight


def _sorted_aucs(
    keys: NDArray[np.uint64],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    positive = (keys & np.uint64(1)).astype(np.int64)
    scores = keys >> np.uint64(1)
    blocks = np.flatnonzero(np.append(True, scores[1:] != scores[:-1]))
    block_positives = np.add.reduceat(positive, blocks)
    block_negatives = np.add.reduceat(1 - positive, blocks)
    group = (keys[blocks] >> np.uint64(33)).astype(np.int64)

    first = np.flatnonzero(np.append(True, group[1:] != group[:-1]))
    below = np.cumsum(block_negatives) - block_negatives
    below -= np.repeat(below[first], np.diff(np.append(first, len(blocks))))
    ordered = block_positives * (below + 0.5 * block_negatives)

    positives = np.add.reduceat(block_positives, first)
    negatives = np.add.reduceat(block_negatives, first)
    both = (positives > 0) & (negatives > 0)
    pairs = (positives * negatives)[both]
    auc = np.add.reduceat(ordered, first)[both] / pairs
    return group[first][both], auc, (positives + negatives)[both].astype(np.float64)
