"""Number of rows."""

from clickwright.components.evaluation.metrics.row_metric import RowMetric
from clickwright.components.evaluation.metrics.scored_rows import ScoredRows


class RowCount(RowMetric):
    """Number of rows, whatever their weights."""

    def __init__(self, name: str = "rows") -> None:
        super().__init__(name)

    def values(self, rows: ScoredRows) -> tuple[float]:
        """Returns the count."""
        return (float(rows.count),)
