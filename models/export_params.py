"""Parameters of the export."""

from typing import Annotated

from pydantic import Field

from clickwright.schemas.strict_yaml import StrictModel


class FreezeNumericParams(StrictModel):
    """How closely tables follow the numeric encoders that they replace."""

    max_error: Annotated[float, Field(gt=0.0)] = 1e-3
    """Largest difference in any value of an embedding."""


class ExportParams(StrictModel):
    """What is done to a trained model before it is exported."""

    freeze_numeric: FreezeNumericParams | None = None
    """Replaces numeric encoders by tables, which look a value up instead of computing
    its embedding; None leaves them as trained."""
