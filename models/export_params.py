"""Parameters of the export."""

from typing import Annotated

from pydantic import Field

from clickwright.schemas.strict_yaml import StrictModel

GOLDEN_ROWS = 128
"""Rows that Transform keeps for golden requests."""


class FreezeNumericParams(StrictModel):
    """How closely tables follow the numeric encoders that they replace."""

    max_error: Annotated[float, Field(gt=0.0)] = 1e-3
    """Largest difference in any value of an embedding."""


class ExportParams(StrictModel):
    """What is done to a trained model before it is exported."""

    freeze_numeric: FreezeNumericParams | None = None
    """Replaces numeric encoders by tables, which look a value up instead of computing
    its embedding; None leaves them as trained."""
    golden_rows: Annotated[int, Field(ge=1, le=GOLDEN_ROWS)] = 32
    """Rows of the validation split that are kept as golden requests."""
    batch_sizes: Annotated[
        tuple[Annotated[int, Field(ge=1, le=100_000)], ...],
        Field(min_length=1, max_length=100),
    ] = (1, 8, 32, 128)
    """Rows of the requests that warm a server up. A server that batches should be
    allowed these sizes."""
