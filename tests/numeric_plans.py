"""Discretization plans made by hand."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clickwright.schemas.discretization_plan import (
    DiscretizationPlan,
    FieldPlan,
    FieldStatistics,
    Scaling,
    spec_digest,
)
from clickwright.schemas.numeric_encoding import LinearEncoding, NumericEncoding
from clickwright.schemas.spec import FeatureSpec

STATISTICS = FieldStatistics(
    rows=1,
    missing=0.0,
    non_finite=0.0,
    zero=0.0,
    negative=0.0,
    integer=0.0,
    distinct=1,
    distinct_is_exact=True,
    low=0.0,
    high=1.0,
    mean=0.5,
    deviation=0.1,
)
LINEAR = LinearEncoding()


def make_plan(
    spec: FeatureSpec, fields: Mapping[str, tuple[Scaling, NumericEncoding]]
) -> DiscretizationPlan:
    """A plan of the given decisions; its statistics mean nothing."""
    return DiscretizationPlan(
        spec_name=spec.name,
        spec_digest=spec_digest(spec),
        fields={
            name: FieldPlan(
                statistics=STATISTICS,
                scaling=fields[name][0],
                encoding=fields[name][1],
                reasons={"scaling": "test", "encoder": "test", "missing": "test"},
            )
            for name in spec.numeric_features()
        },
    )


def scaled(scaling: Scaling, values: Sequence[float]) -> Any:
    """The scaled values, float32, in Python's own floats, one by one."""
    return np.array([_scaled(scaling, float(x)) for x in values], np.float32)


def _scaled(scaling: Scaling, x: float) -> float:
    if math.isnan(x):
        return math.nan if scaling.missing is None else scaling.missing
    x = min(max(x, scaling.low), scaling.high)
    match scaling.kind:
        case "log1p":
            x = math.log1p(x - min(scaling.low, 0.0))
        case "signed_log":
            x = math.copysign(math.log1p(abs(x)), x)
        case "quantile_rank":
            ranks = np.linspace(0.0, 1.0, len(scaling.knots))
            x = float(np.interp(x, scaling.knots, ranks))
    return (x - scaling.shift) / scaling.width
