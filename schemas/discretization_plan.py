"""What the Discretizer has decided for every numeric field, and why.

The plan is the contract between data and model: Transform scales by its constants,
the trainer builds the encoders that it names, the reports show its statistics. It is
kept as JSON, in the file `FILE_NAME` of the artifact and beside the transform graph.
"""

import hashlib
import pathlib
from collections.abc import Mapping
from typing import Annotated, Literal, Self

import pydantic
from pydantic import Field

from clickwright.schemas.errors import ConfigError
from clickwright.schemas.numeric_encoding import NumericEncoding
from clickwright.schemas.spec import FeatureSpec
from clickwright.schemas.strict_yaml import StrictModel

FILE_NAME = "discretization_plan.json"
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class FieldStatistics(StrictModel):
    """What the training split says of one numeric column; shares are weighted."""

    rows: Annotated[int, Field(ge=0)]
    """Rows read, those without a value included."""
    missing: Share
    """Share of rows without a value; NaN is none."""
    non_finite: Share
    """Share of rows with an infinite value."""
    zero: Share
    """Share of zeros among the finite values, as all shares below."""
    negative: Share
    integer: Share
    distinct: Annotated[int, Field(ge=0)]
    """Distinct finite values, counted up to a limit."""
    distinct_is_exact: bool
    """Whether `distinct` stayed below the limit."""
    values: tuple[float, ...] = ()
    """The distinct values, rising, where they are few."""
    low: float
    """Smallest finite value; 0 where there is none, as all moments below."""
    high: float
    mean: float
    deviation: float
    quantiles: tuple[float, ...] = ()
    """Values at evenly spaced ranks, the first `low`, the last `high`; empty where
    there is no finite value."""
    tail: Annotated[float, Field(ge=0.0)] = 0.0
    """How far the outer percent reaches: `(q99.5 - q0.5) / (q75 - q25)`; 0 where the
    middle half is one value."""


class Scaling(StrictModel):
    """From the raw value to the scaled one.

    `y = (f(clip(x, low, high)) - shift) / width`, where `f` is by `kind`:

    * `none`, `min_max`, `z_score`: the value itself;
    * `log1p`: `log(1 + x - min(low, 0))`, then as `z_score`;
    * `signed_log`: `sign(x) log(1 + |x|)`, then as `z_score`;
    * `quantile_rank`: the rank of `x` among `knots`, 0 to 1, linear between them.

    Infinite values are clipped like others; a missing one becomes `missing`.
    """

    kind: Literal["none", "min_max", "z_score", "log1p", "signed_log", "quantile_rank"]
    low: float
    """Values below are moved here: smallest of the training split, raw unit."""
    high: float
    shift: float = 0.0
    width: Annotated[float, Field(gt=0.0)] = 1.0
    """Never 0: a constant field has width 1."""
    knots: tuple[float, ...] = ()
    """Raw values at evenly spaced ranks, not falling (`quantile_rank`)."""
    missing: float | None = None
    """Scaled value of a missing one; None leaves NaN, and the encoder has an embedding
    for it."""

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"`low` must not exceed `high` ({self.low}, {self.high})")
        if (self.kind == "quantile_rank") != (len(self.knots) >= 2):
            raise ValueError("`knots`, 2 or more, belong to quantile_rank and to it")
        return self


class Candidate(StrictModel):
    """One encoder in a search."""

    encoder: str
    logloss: float
    """Mean validation log loss over its seeds."""
    deviation: Annotated[float, Field(ge=0.0)]
    seeds: Annotated[int, Field(ge=1)]


class Search(StrictModel):
    """How a field with `encoder: auto` came to its encoder."""

    winner: str
    margin: float
    """Log loss by which the runner-up is worse."""
    candidates: tuple[Candidate, ...]


class FieldPlan(StrictModel):
    """The decisions for one numeric field."""

    statistics: FieldStatistics
    scaling: Scaling
    encoding: NumericEncoding
    reasons: dict[str, str]
    """Why, in words, by decision: `scaling`, `encoder`, `missing` and others."""
    given: tuple[str, ...] = ()
    """Decisions that the feature spec makes itself."""
    search: Search | None = None
    """None until a search has run; `encoder: auto` starts from what the rules say."""


class DiscretizationPlan(StrictModel):
    """The decisions for all numeric fields of one feature spec."""

    version: Literal[1] = 1
    spec_name: str
    spec_digest: str
    """`spec_digest()` of the feature spec that it was made for."""
    fields: dict[str, FieldPlan]
    """In the spec's order."""

    def write(self, folder: pathlib.Path) -> pathlib.Path:
        """Writes `FILE_NAME` into `folder`; returns its path."""
        path = folder / FILE_NAME
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return path

    @classmethod
    def read(cls, folder: pathlib.Path) -> Self:
        """Reads `FILE_NAME` from `folder`.

        Raises:
            ConfigError: there is no such file, or it is not a plan.
        """
        path = folder / FILE_NAME
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, pydantic.ValidationError) as error:
            raise ConfigError(
                f"There is no readable discretization plan: {error}.",
                where=str(path),
                fix="run the Discretizer again",
            ) from error

    def check(self, spec: FeatureSpec) -> None:
        """Refuses a plan that was made for another spec.

        Raises:
            ConfigError: the numeric features differ.
        """
        if self.spec_digest != spec_digest(spec):
            raise ConfigError(
                f"The discretization plan was made for other numeric features: those "
                f"of `{self.spec_name}`, {', '.join(self.fields) or 'none'}. The spec "
                f"`{spec.name}` has {', '.join(spec.numeric_features()) or 'none'}.",
                where="discretization plan",
                fix="run the Discretizer on the data of this spec",
            )

    def encodings(self) -> Mapping[str, NumericEncoding]:
        """The encoding of each field."""
        return {name: field.encoding for name, field in self.fields.items()}


def spec_digest(spec: FeatureSpec) -> str:
    """Digest of all that a spec says of its numeric features."""
    digest = hashlib.sha256()
    for name, feature in spec.numeric_features().items():
        digest.update(f"{name}={feature.model_dump_json()}\n".encode())
    return digest.hexdigest()
