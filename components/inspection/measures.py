"""What the inspection computes of values, bins and embeddings; NumPy alone."""

import numpy as np

GRID = 33
"""Values of a grid, at most."""
FEW = 20
"""Distinct values up to which each has a bin of its own."""
CLICK_BINS = 10
DEAD = 0.01
"""A bin with less than this part of an equal share is dead."""
RANKS = 201


def value_grid(values: np.ndarray) -> np.ndarray:
    """Rising values of the data that curves are drawn over, `[<= GRID]`.

    Half of them lie at even ranks of the rows, half at even ranks of the distinct
    values: a field that is mostly zero still shows what it does elsewhere.

    Args:
        values: [N] finite values.
    """
    if not len(values):
        return np.empty(0)
    distinct = np.unique(values)
    if len(distinct) <= GRID:
        return distinct
    by_rows = np.quantile(values, np.linspace(0, 1, GRID // 2 + 1), method="nearest")
    by_value = np.quantile(distinct, np.linspace(0, 1, GRID // 2), method="nearest")
    return np.union1d(by_rows, by_value)


def ranks(values: np.ndarray) -> np.ndarray:
    """`RANKS` values of the data at even ranks, the least and the greatest among them.

    Args:
        values: [N] finite values; without any, the result is empty.
    """
    if not len(values):
        return np.empty(0)
    return np.quantile(values, np.linspace(0, 1, RANKS), method="nearest")


def click_cuts(quantiles: np.ndarray, distinct: np.ndarray) -> np.ndarray:
    """Rising cuts between which click rates are taken; a bin holds its lower cut.

    Few distinct values have a bin each. Else the bins hold about equally many rows,
    and a value that fills a bin by itself has one of its own: it ends at the next
    float. So does the last bin, which holds the greatest value.

    Args:
        quantiles: values at even ranks.
        distinct: all distinct values, rising, where they are few.
    """
    if 0 < len(distinct) <= FEW:
        return np.union1d(distinct, _next(distinct))
    if not len(quantiles):
        return np.empty(0)
    at = np.quantile(quantiles, np.linspace(0, 1, CLICK_BINS + 1), method="nearest")
    cuts, times = np.unique(at, return_counts=True)
    alone = cuts[times > 1]
    starts = np.union1d(cuts[:-1], alone)
    return np.union1d(starts, _next(np.append(alone, cuts[-1])))


def effective_bins(shares: np.ndarray) -> float:
    """exp of the entropy of the bins' shares: K for equal ones, 1 for a single one."""
    used = shares[shares > 0]
    return float(np.exp(-np.sum(used * np.log(used))))


def dead_bins(shares: np.ndarray) -> list[int]:
    """Numbers of the bins with less than a hundredth of an equal share."""
    return np.flatnonzero(shares < DEAD / len(shares)).tolist()


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> float:
    """Jensen-Shannon divergence of two distributions, base 2: 0 to 1."""
    middle = (p + q) / 2
    return float(min(max((_kullback(p, middle) + _kullback(q, middle)) / 2, 0.0), 1.0))


def principal_path(points: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """The points on their two principal components, and the variance these hold.

    The component of the largest absolute value is positive, so that equal points give
    equal pictures.

    Args:
        points: [n, D].

    Returns:
        [n, 2], zeros where there is no second component; shares of the variance.
    """
    centred = points - points.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    path, shares = np.zeros((len(points), 2)), np.zeros(2)
    kept = min(2, len(sizes))
    total = np.sum(sizes**2)
    if total > 0:
        path[:, :kept] = left[:, :kept] * sizes[:kept]
        largest = path[np.argmax(np.abs(path), axis=0), [0, 1]]
        path *= np.where(largest < 0, -1.0, 1.0)
        shares[:kept] = sizes[:kept] ** 2 / total
    return path, (float(shares[0]), float(shares[1]))


def spread(points: np.ndarray) -> float:
    """Largest distance from the mean over the largest norm; 0 for equal points.

    Args:
        points: [n, D].
    """
    largest = np.linalg.norm(points, axis=1).max(initial=0.0)
    if largest == 0:
        return 0.0
    away = np.linalg.norm(points - points.mean(axis=0), axis=1).max()
    return float(away / largest)


def _kullback(p: np.ndarray, q: np.ndarray) -> float:
    there = p > 0
    return float(np.sum(p[there] * np.log2(p[there] / q[there])))


def _next(values: np.ndarray) -> np.ndarray:
    return np.nextafter(values, np.inf)
