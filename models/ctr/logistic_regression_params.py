"""Parameters of logistic regression."""

from typing import Annotated, ClassVar

from pydantic import Field

from clickwright.models.ctr.table_params import TableParams
from clickwright.models.value_range import Space


class LogisticRegressionParams(TableParams):
    """Parameters of logistic regression.

    Defaults are those of the Frappe_x1 entry of the BARS benchmark (reczoo/BARS,
    `ranking/ctr/LR/LR_frappe_x1`).
    """

    l2: Annotated[float, Field(ge=0.0)] = 1e-5
    """Adds `l2 / 2` times the squared norm of all weights, bias excluded, to the loss.
    """

    SPACE: ClassVar[Space] = {
        "l2": (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1),
    }

    @property
    def table_width(self) -> int:
        """One weight."""
        return 1
