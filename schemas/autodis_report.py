"""What became of every numeric field in a trained model.

The inspector writes it after training, the report of a run draws it, and the next
run's inspector compares with it. It is kept as JSON, in the file `FILE_NAME` of the
artifact.
"""

import pathlib
from typing import Annotated, Literal, Self

import pydantic
from pydantic import Field

from clickwright.schemas.discretization_plan import FieldPlan, Share
from clickwright.schemas.errors import DataError
from clickwright.schemas.strict_yaml import StrictModel

FILE_NAME = "autodis_report.json"

Count = Annotated[int, Field(ge=0)]


class SplitValues(StrictModel):
    """Where the values of one split lie; shares are of its rows."""

    rows: Count
    missing: Share
    """Rows without a value; NaN is none."""
    non_finite: Share
    """Rows with an infinite value."""
    below: Share
    """Rows with a finite value below the smallest of the training split."""
    above: Share


class ClickRate(StrictModel):
    """Labelled rows of the training split whose values lie in one bin."""

    low: float
    high: float
    """Equal to `low` where the bin holds a single value."""
    rows: Count
    rate: Share | None
    """Share of the rows' weight that was clicked; None without weight."""


class BinUsage(StrictModel):
    """How the training split uses the bins of an encoder."""

    shares: tuple[Share, ...]
    """Mean weight of each bin over the rows with a value."""
    effective: Annotated[float, Field(ge=0.0)]
    """Bins in use: exp of the entropy of `shares`."""
    dead: tuple[int, ...]
    """Bins with less than a hundredth of an equal share."""
    drift: Share | None = None
    """Jensen-Shannon divergence (base 2) of the usage by the rows of this training
    split from that by the rows of the report before, both through this encoder: bins
    of two trainings have nothing in common but their number. Missing values count as
    one more bin. None where there is no report before, or it lacks the field."""


class Embedding(StrictModel):
    """The path of a field's embedding along its values."""

    path: tuple[tuple[float, float], ...]
    """The two first principal components at each value of the grid."""
    explained: tuple[Share, Share]
    """Shares of the variance that the two components hold; 0 where there is none."""
    spread: Annotated[float, Field(ge=0.0)]
    """Largest distance from the mean embedding, over the largest norm: 0 where the
    embedding is constant."""


class FieldReport(StrictModel):
    """One numeric field: plan, data, encoder, and what the model makes of it."""

    plan: FieldPlan
    splits: dict[str, SplitValues]
    ranks: tuple[float, ...]
    """Finite values of the training split at evenly spaced ranks, in the raw unit;
    empty where there is none. The next run's drift is measured from them."""
    grid: tuple[float, ...]
    """Rising values that all curves below are drawn over, in the raw unit."""
    assignments: tuple[tuple[float, ...], ...] | None
    """Weights over the bins at each value of the grid; None for encoders without
    bins, as the two fields below, and for models without an embedding of numbers."""
    usage: BinUsage | None
    temperature: float | None
    """Temperature of AutoDis after training."""
    embedding: Embedding | None
    response: tuple[Share, ...]
    """Mean predicted probability over the same validation rows with the field set to
    each value of the grid (partial dependence)."""
    response_missing: Share | None
    """The same with the field missing; None where it may not be."""
    click_rates: tuple[ClickRate, ...]
    """Bins of about equally many rows of the training split, rising."""
    missing_clicks: ClickRate | None
    """Of the rows without a value; `low` and `high` mean nothing."""
    warnings: tuple[str, ...]

    @pydantic.model_validator(mode="after")
    def _of_one_grid(self) -> Self:
        entries = {"response": len(self.response)}
        if self.assignments is not None:
            entries["assignments"] = len(self.assignments)
        if self.embedding is not None:
            entries["embedding"] = len(self.embedding.path)
        for name, found in entries.items():
            if found != len(self.grid):
                raise ValueError(
                    f"`{name}` must have one entry a value of the grid, "
                    f"{len(self.grid)}. Received: {found}"
                )
        return self


class AutoDisReport(StrictModel):
    """All numeric fields of a trained model."""

    version: Literal[1] = 1
    spec_name: str
    response_rows: Count
    """Validation rows that the responses are means over."""
    fields: dict[str, FieldReport]
    """In the spec's order."""

    def warnings(self) -> tuple[tuple[str, str], ...]:
        """Field and warning, in the fields' order."""
        return tuple((n, w) for n, field in self.fields.items() for w in field.warnings)

    def write(self, folder: pathlib.Path) -> pathlib.Path:
        """Writes `FILE_NAME` into `folder`; returns its path."""
        path = folder / FILE_NAME
        path.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        return path

    @classmethod
    def read(cls, folder: pathlib.Path | str) -> Self:
        """Reads `FILE_NAME` from `folder`.

        Raises:
            DataError: there is no such file, or it is not a report.
        """
        path = pathlib.Path(folder) / FILE_NAME
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, pydantic.ValidationError) as error:
            raise DataError(
                f"There is no readable report of numeric fields: {error}.",
                where=str(path),
                fix="run the pipeline again with the artifact's folder removed",
            ) from error
