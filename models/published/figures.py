"""What was published of one training."""

from typing import Annotated

from pydantic import Field

from clickwright.schemas.strict_yaml import StrictModel

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]


class Figures(StrictModel):
    """Test metrics and size as a log or a table states them."""

    source: Annotated[str, Field(min_length=1)]
    """Repository and path, or paper, that the figures stand in."""
    auc: Share | None = None
    """Test AUC of the listed run; a mean only where `source` has no single run."""
    logloss: Positive | None = None
    """Test log loss of the same run."""
    auc_mean: Share | None = None
    """Mean test AUC, where several runs are listed."""
    auc_std: Share | None = None
    """Their standard deviation (population), as listed."""
    runs: Count | None = None
    """How many runs these are."""
    parameters: Count | None = None
    """Trained numbers, as logged."""
    table_rows: Count | None = None
    """Rows of all embedding tables in that log; ours may have some more."""

    @property
    def expected_auc(self) -> float | None:
        """What a new run should come to: the mean where there is one."""
        return self.auc if self.auc_mean is None else self.auc_mean
