"""How the values of a field are scaled, and why."""

import math
from typing import Literal

import numpy as np

from clickwright.components.discretizer.numeric_sketch import tail
from clickwright.schemas.discretization_plan import FieldStatistics, Scaling
from clickwright.schemas.scale import curve, scale, signed_log

ScalingKind = Literal[
    "none", "min_max", "z_score", "log1p", "signed_log", "quantile_rank"
]

FEW_DISTINCT = 32
"""Up to here every value can have a bucket of its own."""
LONG_TAIL = 12.0
"""Middle halves that the outer percent of a calm field spans; a normal one: 4."""
FAR = 10.0
"""Deviations that the farthest value of a calm field may lie off the mean."""
_NEAR = 5.0
"""Where no value lies farther off, the middle half is narrow, not the tail long."""
_EVEN = 0.1
"""Largest distance of the ranks from those of evenly spread values."""
_APART = 1e-6
"""Smallest relative gap of scaled values that are told apart for sure."""


def choose_scaling(statistics: FieldStatistics) -> tuple[ScalingKind, str]:
    """Returns the kind of scaling that suits the field, and the reason."""
    s = statistics
    if s.distinct == 0:
        return "none", "no row has a value: always 0"
    if s.distinct == 1:
        return "none", f"constant, always {s.low:.6g}: scaled to 0"
    if s.distinct == 2:
        return "min_max", f"two values, {s.low:.6g} and {s.high:.6g}: 0 and 1"
    kind, reason = _by_shape(s)
    if s.values:
        scaled = scale(scaling_of(kind, s), np.array(s.values)).astype(np.float64)
        gaps = np.diff(scaled) / np.maximum(np.abs(scaled[1:]), 1.0)
        if gaps.min() < _APART:
            return "quantile_rank", (
                f"{s.distinct} distinct values, some so close together and others so "
                f"far apart that float32 loses them: their ranks"
            )
    return kind, reason


def scaling_of(kind: ScalingKind, statistics: FieldStatistics) -> Scaling:
    """Returns the constants of a kind of scaling; missing values stay missing."""
    s = statistics
    plain = Scaling(kind="none", low=s.low, high=s.high)
    if s.distinct == 0:
        return plain
    if s.distinct == 1:
        return plain.model_copy(update={"shift": s.low})
    shift, width = 0.0, 1.0
    match kind:
        case "min_max":
            shift, width = s.low, s.high - s.low
        case "z_score":
            shift, width = s.mean, s.deviation
        case "log1p" | "signed_log":
            logs = curve(plain.model_copy(update={"kind": kind}), _quantiles(s))
            shift, width = _moments(logs)
        case "quantile_rank":
            few = s.values if s.distinct <= FEW_DISTINCT else ()
            return Scaling(kind=kind, low=s.low, high=s.high, knots=few or s.quantiles)
    # Values too close together for float64 have no deviation.
    width = width if width > 0 else 1.0
    return Scaling(kind=kind, low=s.low, high=s.high, shift=shift, width=width)


def scaled_moments(
    scaling: Scaling, statistics: FieldStatistics
) -> tuple[float, float]:
    """Returns mean and deviation of the scaled values, from the quantiles."""
    if not statistics.quantiles:
        return 0.0, 0.0
    return _moments(scale(scaling, _quantiles(statistics)).astype(np.float64))


def log_moments(scaling: Scaling, statistics: FieldStatistics) -> tuple[float, float]:
    """Returns mean and deviation of the signed logarithms of the scaled values."""
    if not statistics.quantiles:
        return 0.0, 0.0
    y = scale(scaling, _quantiles(statistics)).astype(np.float64)
    return _moments(signed_log(y))


def percent(share: float) -> str:
    """A share in words."""
    return f"{100 * share:.3g} %"


def _by_shape(s: FieldStatistics) -> tuple[ScalingKind, str]:
    farthest = _farthest(s.low, s.high, s.mean, s.deviation)
    if _calm(s.tail, farthest):
        off = _unevenness(s)
        if s.distinct > FEW_DISTINCT and off <= _EVEN:
            return "min_max", (
                f"values lie evenly between {s.low:.6g} and {s.high:.6g}: 0 to 1"
            )
        return "z_score", (
            "no long tail: the farthest value lies "
            f"{farthest:.2g} deviations off the mean"
        )
    told = []
    if s.zero >= 0.25:
        told.append(f"zeros are {percent(s.zero)}")
    if s.tail > LONG_TAIL:
        told.append(f"the tail reaches {s.tail:.3g} times the middle half")
    else:
        told.append(f"the farthest value lies {farthest:.3g} deviations off the mean")
    signed = s.negative > 0
    kind: ScalingKind = "signed_log" if signed else "log1p"
    logs = curve(Scaling(kind=kind, low=s.low, high=s.high), _quantiles(s))
    after = _farthest(float(logs[0]), float(logs[-1]), *_moments(logs))
    # Where more than half is one value, no scaling is calm; the logarithm may help.
    better = s.tail == 0 and after < 0.8 * farthest
    if better or _calm(tail(logs), after):
        words = "signed logarithm" if signed else "logarithm"
        return kind, f"{' and '.join(told)}: {words}"
    if s.tail == 0 and farthest <= FAR:
        return "z_score", (
            "more than half of the values are equal, and the farthest lies "
            f"{farthest:.2g} deviations off the mean"
        )
    told.append("a logarithm does not calm it")
    return "quantile_rank", f"{', '.join(told)}: ranks"


def _calm(tail_length: float, farthest: float) -> bool:
    return farthest <= _NEAR or (0 < tail_length <= LONG_TAIL and farthest <= FAR)


def _farthest(low: float, high: float, mean: float, deviation: float) -> float:
    return max(high - mean, mean - low) / deviation if deviation > 0 else math.inf


def _unevenness(s: FieldStatistics) -> float:
    x = (_quantiles(s) - s.low) / (s.high - s.low)
    return float(np.abs(x - np.linspace(0.0, 1.0, len(x))).max())


def _moments(y: np.ndarray) -> tuple[float, float]:
    """Mean and deviation of values that lie evenly between their quantiles."""
    left, right = y[:-1], y[1:]
    mean = float((left + right).mean() / 2)
    a, b = left - mean, right - mean
    return mean, math.sqrt(float((a * a + a * b + b * b).mean() / 3))


def _quantiles(s: FieldStatistics) -> np.ndarray:
    return np.array(s.quantiles)
