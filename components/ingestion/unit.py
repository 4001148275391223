"""The work that one Beam element stands for."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Unit:
    """A part of one log file; its rows become one shard a split.

    Attributes:
        index: place in the plan, from 0. Shards and errors are ordered by it.
        path: the file.
        split: split that all its rows belong to; None when a rule decides.
        first_row: rows of the file before this part.
        rows: rows of this part; None where only reading can tell.
        row_groups: the part, in Parquet row groups; None for the whole file.
    """

    index: int
    path: str
    split: str | None = None
    first_row: int = 0
    rows: int | None = None
    row_groups: tuple[int, ...] | None = None
