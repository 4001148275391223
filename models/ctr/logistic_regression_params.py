"""Parameters of logistic regression."""

from typing import Annotated

from pydantic import Field

from clickwright.models.ctr.table_params import TableParams


class LogisticRegressionParams(TableParams):
    """Parameters of logistic regression.

    Defaults are those of the Frappe_x1 entry of the BARS benchmark (reczoo/BARS,
    `ranking/ctr/LR/LR_frappe_x1`).
    """

    l2: Annotated[float, Field(ge=0.0)] = 1e-5
    """Adds `l2 / 2` times the squared norm of all weights, bias excluded, to the loss.
    """

    @property
    def table_width(self) -> int:
        """One weight."""
        return 1
