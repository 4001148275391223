"""How a model turns one scaled number into an embedding.

These are resolved settings: what the feature spec leaves open, the Discretizer has
decided, and every number is there. All boundaries are in the unit of the scaled value.
"""

import itertools
from typing import Annotated, Literal, Self, get_args

import pydantic
from pydantic import Field

from clickwright.schemas.strict_yaml import StrictModel

EncoderName = Literal[
    "linear",
    "log_linear",
    "buckets",
    "piecewise_linear",
    "periodic",
    "autodis",
    "nary",
    "mlp",
]
ENCODERS: tuple[EncoderName, ...] = get_args(EncoderName)
"""Names of the encoders: `kind` of the encodings below."""

Boundaries = Annotated[tuple[float, ...], Field(min_length=1, max_length=65_536)]


class _Bounded(StrictModel):
    boundaries: Boundaries
    """Inner boundaries, strictly increasing, in the unit of the scaled value."""

    @pydantic.model_validator(mode="after")
    def _increasing(self) -> Self:
        b = self.boundaries
        if any(later <= earlier for earlier, later in itertools.pairwise(b)):
            raise ValueError("`boundaries` must be strictly increasing")
        return self


class LinearEncoding(StrictModel):
    """The value times one row: `x * v`."""

    kind: Literal["linear"] = "linear"


class LogLinearEncoding(StrictModel):
    """The signed logarithm times one row, plus a row: `(slog(x) - m) / s * v + b`.

    `slog(x) = sign(x) * log(1 + |x|)`.
    """

    kind: Literal["log_linear"] = "log_linear"
    shift: float = 0.0
    """`m`, about the mean of the logarithms."""
    width: Annotated[float, Field(gt=0.0)] = 1.0
    """`s`, about their deviation."""


class BucketsEncoding(_Bounded):
    """One row a bucket; `x` is in bucket `i` when `i` boundaries are <= `x`."""

    kind: Literal["buckets"] = "buckets"


class PiecewiseLinearEncoding(_Bounded):
    """Rows at the ends of the bins, with linear interpolation between."""

    kind: Literal["piecewise_linear"] = "piecewise_linear"

    @pydantic.model_validator(mode="after")
    def _one_bin(self) -> Self:
        if len(self.boundaries) < 2:
            raise ValueError("`boundaries` of piecewise_linear must be 2 or more")
        return self


class PeriodicEncoding(StrictModel):
    """Sines and cosines of learned frequencies, then a dense layer and ReLU."""

    kind: Literal["periodic"] = "periodic"
    frequencies: Annotated[int, Field(ge=1, le=1024)] = 16
    """Learned frequencies a field."""
    sigma: Annotated[float, Field(gt=0.0)] = 0.5
    """Standard deviation of the frequencies at the start, in turns a unit."""


class AutoDisEncoding(StrictModel):
    """A soft choice among meta-embeddings, made by a network of the field's own."""

    kind: Literal["autodis"] = "autodis"
    meta_embeddings: Annotated[int, Field(ge=1, le=4096)] = 20
    """Meta-embeddings of the field, `H`."""
    temperature: Annotated[float, Field(gt=0.0)] = 0.1
    """Divides the scores; small ones choose, large ones mix. With `annealed`, the
    temperature at the end of the annealing; with `learned`, that at the start."""
    temperature_mode: Literal["constant", "annealed", "learned"] = "constant"
    form: Literal["full", "reduced"] = "full"
    """`full`: two layers with a skip connection. `reduced`: scores `x * w` alone, as
    in the MindSpore code."""
    use_bias: bool = True
    """Whether the scores have biases. Without them the order of the meta-embeddings
    is the same for all positive values, so that a field cannot tell ranges apart."""
    low: float = -2.0
    """With biases the meta-embeddings start spread evenly from here to `high`, in the
    unit of the scaled value."""
    high: float = 2.0
    skip: Annotated[float, Field(ge=0.0)] = 0.1
    """Factor of the skip connection (`full`)."""
    slope: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.01
    """Slope of the leaky ReLU below zero (`full`)."""
    aggregation: Literal["weighted", "max", "topk"] = "weighted"
    """`max` and `topk` keep the largest weights alone, with the gradient of all."""
    top_k: Annotated[int, Field(ge=1)] = 3
    """Weights that `topk` keeps."""

    @pydantic.model_validator(mode="after")
    def _span(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"`low` must be below `high` ({self.low} >= {self.high})")
        return self


class NaryEncoding(StrictModel):
    """Soft digits of the value in several number systems (NaryDis)."""

    kind: Literal["nary"] = "nary"
    low: float = 0.0
    """Value that is 0 in the number systems, in the unit of the scaled value."""
    high: float = 1.0
    """Value that has the largest digits everywhere."""
    bases: Annotated[tuple[int, ...], Field(min_length=1)] = (2, 3, 5)
    """Bases of the number systems."""
    digits: Annotated[tuple[int, ...], Field(min_length=1)] = (5, 3, 2)
    """Digits kept in each of them."""

    @pydantic.model_validator(mode="after")
    def _agree(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"`low` must be below `high` ({self.low} >= {self.high})")
        if len(self.bases) != len(self.digits):
            raise ValueError("`bases` and `digits` must be of one length")
        if min(self.bases) < 2 or min(self.digits) < 1:
            raise ValueError("`bases` must be 2 or more, `digits` 1 or more")
        return self


class MLPEncoding(StrictModel):
    """A small network of the field's own."""

    kind: Literal["mlp"] = "mlp"
    hidden_units: Annotated[int, Field(ge=1, le=4096)] = 32
    """Units of its one hidden layer."""


class TabulatedEncoding(StrictModel):
    """A table of embeddings with linear interpolation between them.

    It replaces a trained encoder in a model for serving (`freeze_numeric`); no plan
    asks for it.
    """

    kind: Literal["tabulated"] = "tabulated"
    low: float
    """Where the table begins; smaller values count as this one."""
    high: float
    intervals: Annotated[int, Field(ge=1)]
    """Intervals of the table, of one row more."""

    @pydantic.model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"`low` must be below `high` ({self.low} >= {self.high})")
        return self


NumericEncoding = Annotated[
    LinearEncoding
    | LogLinearEncoding
    | BucketsEncoding
    | PiecewiseLinearEncoding
    | PeriodicEncoding
    | AutoDisEncoding
    | NaryEncoding
    | MLPEncoding,
    Field(discriminator="kind"),
]
"""What a plan may say of a field."""

ModelEncoding = Annotated[
    NumericEncoding | TabulatedEncoding, Field(discriminator="kind")
]
"""What a model may do with it: a frozen one looks values up."""
