"""How models embed a field, and why."""

from typing import Literal

import numpy as np

from clickwright.components.discretizer.scalings import (
    FEW_DISTINCT,
    log_moments,
    percent,
    scaled_moments,
)
from clickwright.schemas.discretization_plan import FieldStatistics, Scaling
from clickwright.schemas.numeric_encoding import (
    AutoDisEncoding,
    BucketsEncoding,
    EncoderName,
    LinearEncoding,
    LogLinearEncoding,
    MLPEncoding,
    NaryEncoding,
    NumericEncoding,
    PeriodicEncoding,
    PiecewiseLinearEncoding,
)
from clickwright.schemas.scale import scale
from clickwright.schemas.spec import NumericFeature

ENOUGH_ROWS = 1000
"""Rows with a value below which `x * v` is all that can be learned."""
_ROWS_A_VALUE = 20
"""Rows for each of few distinct values, so that each can have its own row."""
_MOSTLY_ZERO = 0.5
"""Share of zeros from which the other values, if they are listed, are amounts of their
own rather than points of a range: quantiles would hardly see them."""
_ROWS_A_META_EMBEDDING = 500
_META_EMBEDDINGS = (4, 20)
_ROWS_A_BUCKET = 200
_BUCKETS = (4, 64)
_TEMPERATURE = 0.1
_SIGMA = 0.5
_APART = 1e-3
"""Smallest relative width of a range that meta-embeddings start spread over."""


def choose_encoder(
    statistics: FieldStatistics, has_default: bool
) -> tuple[EncoderName, str]:
    """Returns the encoder that suits the field, and the reason.

    Args:
        statistics: the field's.
        has_default: whether missing values get a number, and thus are no longer
            missing for the encoder.
    """
    s = statistics
    rows = _with_value(s)
    missing = 0.0 if has_default else s.missing
    if s.distinct == 0:
        return "linear", "no row has a value: the field tells nothing, drop it"
    if s.distinct <= 2 and missing:
        return "buckets", (
            f"{'two values' if s.distinct == 2 else 'a constant'}, or none in "
            f"{percent(missing)} of the rows: an embedding for each case"
        )
    if s.distinct == 1:
        return "linear", "constant: the field tells nothing, drop it"
    if s.distinct == 2:
        return "linear", "two values: the value times one row says all"
    if s.distinct <= FEW_DISTINCT and rows >= _ROWS_A_VALUE * s.distinct:
        return "buckets", f"{s.distinct} distinct values: an embedding for each"
    if _is_lumpy(s) and rows >= ENOUGH_ROWS:
        return "buckets", (
            f"{percent(s.zero)} zeros and {s.distinct - 1} other values: an embedding "
            f"for each"
        )
    if rows < ENOUGH_ROWS:
        return "linear", f"{rows:,} rows with a value, fewer than {ENOUGH_ROWS:,}"
    many = f"{s.distinct:,}" if s.distinct_is_exact else f"over {s.distinct:,}"
    return "autodis", f"continuous, {many} distinct values in {rows:,} rows"


def encoding_of(
    kind: EncoderName,
    feature: NumericFeature,
    statistics: FieldStatistics,
    scaling: Scaling,
) -> tuple[NumericEncoding, dict[str, str]]:
    """Returns the settings of an encoder, and the reasons for them.

    Args:
        kind: the encoder.
        feature: what the spec says; it wins.
        statistics: the field's.
        scaling: the field's; boundaries are in its unit.
    """
    match kind:
        case "linear":
            return LinearEncoding(), {}
        case "log_linear":
            mean, deviation = log_moments(scaling, statistics)
            width = deviation if deviation > 0 else 1.0
            return LogLinearEncoding(shift=mean, width=width), {}
        case "buckets" | "piecewise_linear":
            return _bounded(kind, feature, statistics, scaling)
        case "autodis":
            return _autodis(feature, statistics, scaling)
        case "nary":
            low, high = _range(scaling)
            return NaryEncoding(low=low, high=high), {
                "range": "from the smallest value of the training split to the largest"
            }
        case "periodic":
            sigma = round(_SIGMA / _unit(scaling, statistics), 2)
            return PeriodicEncoding(sigma=sigma), {
                "sigma": f"{sigma:g}: half a turn in one deviation"
            }
        case "mlp":
            return MLPEncoding(), {}


def _autodis(
    feature: NumericFeature, s: FieldStatistics, scaling: Scaling
) -> tuple[NumericEncoding, dict[str, str]]:
    given, reasons, rows = feature.autodis, {}, _with_value(s)
    fewest, most = _META_EMBEDDINGS
    count, temperature = given.meta_embeddings, given.temperature
    if count is None:
        borne = max(fewest, min(most, rows // _ROWS_A_META_EMBEDDING))
        count = max(1, min(borne, s.distinct))
        if count == s.distinct:
            why = "as many as there are distinct values"
        elif borne == most:
            why = f"the usual number; {rows:,} rows bear it"
        else:
            why = f"one for {_ROWS_A_META_EMBEDDING} of {rows:,} rows with a value"
            why += f", {fewest} at least" if borne == fewest else ""
        reasons["meta_embeddings"] = f"{count}: {why}"
    if temperature is None:
        temperature = round(_TEMPERATURE * _unit(scaling, s), 3)
        reasons["temperature"] = (
            f"{temperature:g}: a tenth of the scaled values' deviation, 1 at most"
        )
    low, high = _middle(scaling, s)
    reasons["range"] = (
        f"{low:.3g} to {high:.3g}, where nearly all scaled values are: over it the "
        f"meta-embeddings start spread"
    )
    return (
        AutoDisEncoding(
            meta_embeddings=count,
            low=low,
            high=high,
            temperature=temperature,
            temperature_mode=given.temperature_mode,
            form=given.form,
            use_bias=given.use_bias,
            skip=given.skip,
            aggregation=given.aggregation,
            top_k=given.top_k,
        ),
        reasons,
    )


def _bounded(
    kind: Literal["buckets", "piecewise_linear"],
    feature: NumericFeature,
    s: FieldStatistics,
    scaling: Scaling,
) -> tuple[NumericEncoding, dict[str, str]]:
    """Boundaries between buckets, or the ends of the bins of `piecewise_linear`."""
    fewest, most = _BUCKETS
    borne = max(fewest, min(most, _with_value(s) // _ROWS_A_BUCKET))
    count = feature.buckets or borne
    low, high = _range(scaling)
    few = feature.buckets or max(borne, FEW_DISTINCT)
    each = feature.buckets is None and _is_lumpy(s)
    if s.values and (each or s.distinct <= few):
        ends = _increasing(scale(scaling, np.array(s.values)))
        inner = _midpoints(ends)
        why = "midway between" if kind == "buckets" else "at"
        why += " the distinct values"
    else:
        ranks = np.linspace(0.0, 1.0, count + 1)
        known = np.linspace(0.0, 1.0, len(s.quantiles) or 2)
        raw = np.interp(ranks, known, s.quantiles or (s.low, s.high))
        ends = _increasing(scale(scaling, raw))
        inner = ends[1:-1]
        why = f"at quantiles: {count} parts of equally many rows"
        if len(ends) < count + 1:
            why += ", those at the same value once"
    if kind == "buckets":
        # One boundary, then, that has nothing or next to nothing on one side.
        bounds = inner if len(inner) else np.array([high])
        made: NumericEncoding = BucketsEncoding(boundaries=tuple(bounds.tolist()))
        number = f"{len(bounds) + 1} buckets"
    else:
        bounds = ends if len(ends) > 1 else np.array([low, high])
        made = PiecewiseLinearEncoding(boundaries=tuple(bounds.tolist()))
        number = f"{len(bounds) - 1} bins"
    return made, {"boundaries": f"{number}, {why}"}


def _increasing(scaled: np.ndarray) -> np.ndarray:
    """The different ones of float32 values in order, as float64."""
    return np.unique(scaled).astype(np.float64)


def _midpoints(values: np.ndarray) -> np.ndarray:
    """What parts float32 values: above the one, and not above the next."""
    middle = ((values[:-1] + values[1:]) / 2).astype(np.float32).astype(np.float64)
    return np.where(middle > values[:-1], middle, values[1:])


def _range(scaling: Scaling) -> tuple[float, float]:
    low, high = scale(scaling, np.array([scaling.low, scaling.high])).tolist()
    return (low, high) if low < high else (low, low + 1.0)


def _middle(scaling: Scaling, s: FieldStatistics) -> tuple[float, float]:
    """The scaled values between which 98 % of the rows lie; all where that is none.

    Ends are never so close together that float32 gets lost between them.
    """
    known = np.linspace(0.0, 1.0, len(s.quantiles) or 2)
    raw = np.interp([0.01, 0.99], known, s.quantiles or (s.low, s.high))
    ends = [tuple(scale(scaling, raw).tolist()), _range(scaling)]
    for low, high in ends:
        if high - low > _APART * max(1.0, abs(low)):
            return low, high
    return low, low + max(1.0, abs(low))


def _unit(scaling: Scaling, s: FieldStatistics) -> float:
    """Deviation of the scaled values, between 0.2 and 1."""
    deviation = scaled_moments(scaling, s)[1]
    return min(max(deviation, 0.2), 1.0) if deviation > 0 else 1.0


def _is_lumpy(s: FieldStatistics) -> bool:
    return s.zero >= _MOSTLY_ZERO and len(s.values) > FEW_DISTINCT


def _with_value(s: FieldStatistics) -> int:
    return round(s.rows * max(1.0 - s.missing - s.non_finite, 0.0))
