"""What one pass over the training split keeps of all numeric columns."""

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np

from clickwright.components.discretizer.numeric_sketch import NumericSketch, row_keys
from clickwright.components.discretizer.rules import decide
from clickwright.schemas.discretization_plan import (
    DiscretizationPlan,
    FieldPlan,
    spec_digest,
)
from clickwright.schemas.errors import DataError
from clickwright.schemas.spec import FeatureSpec


class ColumnSketches:
    """A sketch a numeric feature, over the rows whose weight is not 0.

    Args:
        names: the numeric features.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.rows_read = 0
        """Rows, those of weight 0 included."""
        self._fields = {name: NumericSketch() for name in names}

    def add(
        self,
        columns: Mapping[str, np.ndarray],
        weights: np.ndarray | None,
        part: int,
        first: int,
    ) -> None:
        """Adds rows.

        Args:
            columns: [N] float64 a feature; NaN is a missing value.
            weights: [N] float64, or None where all rows count the same.
            part: number of the file that the rows are from.
            first: number of the first row in that file.

        Raises:
            DataError: a weight is negative or no number.
        """
        count = len(next(iter(columns.values())))
        self.rows_read += count
        keys = row_keys(part, first, count)
        if weights is None:
            weights = np.ones(count)
        bad = ~((weights >= 0) & np.isfinite(weights))
        if bad.any():
            raise DataError(
                f"A weight must be a number of 0 or more. Received: {weights[bad][0]} "
                f"in row {first + int(np.flatnonzero(bad)[0]) + 1}.",
                fix="mend the column of the weights, and ingest the log again",
            )
        kept = weights > 0
        everything = bool(kept.all())
        if not everything:
            weights, keys = weights[kept], keys[kept]
        for name, sketch in self._fields.items():
            values = columns[name]
            sketch.add(values if everything else values[kept], weights, keys)

    def merge(self, other: Self) -> None:
        """Adds the rows of another part of the data."""
        self.rows_read += other.rows_read
        for name, sketch in self._fields.items():
            sketch.merge(other._fields[name])

    def compact(self) -> None:
        """Makes it smaller, once all rows of its part are in."""
        for sketch in self._fields.values():
            sketch.compact()

    def plan(self, spec: FeatureSpec) -> DiscretizationPlan:
        """Decides on every field.

        Raises:
            DataError: there are no rows, or all weights are 0.
        """
        if self._fields and not self.rows_read:
            raise DataError(
                "The training split has no rows.",
                fix="give more rows, or move the cuts under `split` in the feature spec",
            )
        if self._fields and not next(iter(self._fields.values())).rows:
            raise DataError(
                f"All {self.rows_read:,} weights of the training split are 0, so "
                "nothing can be learned from it.",
                where=f"column `{spec.weight}`",
                fix="mend the column of the weights, or leave `weight` out of the spec",
            )
        fields: dict[str, FieldPlan] = {}
        first_of: dict[int, str] = {}
        for name, feature in spec.numeric_features().items():
            sketch = self._fields[name]
            field = decide(feature, sketch.statistics())
            twin = first_of.setdefault(sketch.digest, name)
            if twin != name and field.statistics.distinct > 1:
                told = f"equal to `{twin}` in every row: drop one of the two"
                field = field.model_copy(
                    update={"reasons": field.reasons | {"duplicate": told}}
                )
            fields[name] = field
        return DiscretizationPlan(
            spec_name=spec.name, spec_digest=spec_digest(spec), fields=fields
        )
