"""Tables in place of functions of one number."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from clickwright.models.layers.numeric.tabulated_encoder import CELLS

Array: TypeAlias = np.ndarray[Any, Any]
Function: TypeAlias = Callable[[Array], Array]
"""From points `[P, F]` to values `[P, F, D]`, each field by itself."""

MAX_PARTS = 1024
"""Most intervals that a cell is cut into; a float32 tells no more points apart."""
MAX_INTERVALS = 65_536
"""Most intervals of a function that are tried at a time."""
_LEAST_PROBES = 16
"""Points of a cell that are looked at, however few intervals it has."""
_MARGIN = 4 / 3
"""Largest error over that at the quarter points, in an interval where the function
bends evenly or has one corner."""
_CHUNK = 16_384
"""Points that are evaluated at a time."""


@dataclasses.dataclass(frozen=True)
class Table:
    """One function on a grid.

    Attributes:
        low: where the grid begins.
        high: where it ends.
        parts: intervals of equal width that each of the `CELLS` equal cells is cut
            into, `[CELLS]`.
        rows: values at the ends of all intervals, `[sum of parts + 1, D]`.
        error: largest error found while the grid was chosen.
    """

    low: float
    high: float
    parts: Array
    rows: Array
    error: float


def tabulate(
    function: Function,
    ranges: Sequence[tuple[float, float]],
    max_error: float,
) -> list[Table]:
    """Puts functions of one number on grids that are as coarse as an error allows.

    Each range is cut into `CELLS` cells, and each cell into 1, 2, 4 ... intervals,
    until linear interpolation misses by no more than 3/4 of `max_error` at the
    quarter points, the midpoints among them. The rest is for what lies between:
    where a function bends evenly within an interval the midpoint is the worst, and
    around a single corner the worst is at most 4/3 of what the quarter points show.

    Args:
        function: the functions, all at once.
        ranges: where each of them is needed; a range of one point is widened.
        max_error: largest difference that is allowed, in each of the `D` values.

    Returns:
        A table a function. `error` is above the bound where `MAX_PARTS` or
        `MAX_INTERVALS` did not do, as around a jump.
    """
    ranges = [(low, high if high > low else low + 1.0) for low, high in ranges]
    fields = len(ranges)
    parts = np.ones((fields, CELLS), np.int64)
    errors = np.full((fields, CELLS), np.inf)
    intervals = 1
    while True:
        probes = max(4 * intervals, _LEAST_PROBES)  # a cell, without its end
        open_cells = [np.flatnonzero(e * _MARGIN > max_error) for e in errors]
        open_cells = [
            cells if len(cells) * intervals <= MAX_INTERVALS else cells[:0]
            for cells in open_cells
        ]
        if intervals > MAX_PARTS or not any(len(cells) for cells in open_cells):
            break
        places = [
            (cells[:, None] + np.arange(probes + 1) / probes).ravel() / CELLS
            for cells in open_cells
        ]
        for f, values in enumerate(_evaluated(function, ranges, places)):
            cells = open_cells[f]
            shape = (len(cells), intervals, probes // intervals)
            if len(cells):
                at = values.reshape(len(cells), probes + 1, -1)
                parts[f, cells] = intervals
                errors[f, cells] = _misses(at, shape)
        intervals *= 2
    places = [
        np.append(
            np.concatenate(
                [cell + np.arange(count) / count for cell, count in enumerate(row)]
            ),
            CELLS,
        )
        / CELLS
        for row in parts
    ]
    return [
        Table(low, high, parts[f], rows.astype(np.float32), float(errors[f].max()))
        for f, ((low, high), rows) in enumerate(
            zip(ranges, _evaluated(function, ranges, places), strict=True)
        )
    ]


def _misses(values: Array, shape: tuple[int, int, int]) -> Array:
    """Largest error of interpolation in each cell, `[cells]`.

    Args:
        values: of each cell at evenly spaced points, both ends included,
            `[cells, probes + 1, D]`.
        shape: cells, intervals a cell, steps between probes an interval.
    """
    steps = shape[2]
    ends = values[:, ::steps]  # [cells, intervals + 1, D]
    inner = values[:, :-1].reshape(*shape, -1)  # [cells, intervals, steps, D]
    share = (np.arange(steps) / steps)[:, None]  # [steps, 1]
    first, last = ends[:, :-1, None], ends[:, 1:, None]
    difference: Array = np.abs(first + share * (last - first) - inner)
    return difference.max(axis=(1, 2, 3))


def _evaluated(
    function: Function,
    ranges: Sequence[tuple[float, float]],
    places: Sequence[Array],
) -> list[Array]:
    """Values of each function at its own points, given as shares of its range."""
    most = max(len(at) for at in places)
    points = np.zeros((most, len(ranges)), np.float32)
    for f, ((low, high), at) in enumerate(zip(ranges, places, strict=True)):
        points[: len(at), f] = low + at * (high - low)
        points[len(at) :, f] = low
    values = np.concatenate(
        [
            np.asarray(function(points[start : start + _CHUNK]))
            for start in range(0, most, _CHUNK)
        ]
    )  # [most, F, D]
    return [values[: len(at), f] for f, at in enumerate(places)]
