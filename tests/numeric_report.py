"""A report of numeric fields that looks like a real one: one field an encoder."""

import numpy as np
from numeric_plans import STATISTICS

from clickwright.schemas.autodis_report import (
    AutoDisReport,
    BinUsage,
    ClickRate,
    Embedding,
    FieldReport,
    SplitValues,
)
from clickwright.schemas.discretization_plan import (
    Candidate,
    FieldPlan,
    Scaling,
    Search,
)
from clickwright.schemas.numeric_encoding import (
    AutoDisEncoding,
    BucketsEncoding,
    LinearEncoding,
    LogLinearEncoding,
    MLPEncoding,
    NaryEncoding,
    NumericEncoding,
    PeriodicEncoding,
    PiecewiseLinearEncoding,
)

ENCODINGS: dict[str, tuple[NumericEncoding, int]] = {
    "price": (AutoDisEncoding(temperature=0.05), 20),
    "age": (BucketsEncoding(boundaries=(-1.0, 0.0, 1.0)), 4),
    "stock": (PiecewiseLinearEncoding(boundaries=(-2.0, 0.0, 2.0)), 3),
    "views": (LinearEncoding(), 0),
    "weight": (LogLinearEncoding(), 0),
    "hour": (PeriodicEncoding(), 0),
    "rank": (NaryEncoding(), 0),
    "score": (MLPEncoding(), 0),
}
"""Encoding and bins by field."""
_STATISTICS = STATISTICS.model_copy(
    update={
        "rows": 8000,
        "missing": 0.03,
        "distinct": 900,
        "low": 0.5,
        "high": 900.0,
        "mean": 80.0,
        "deviation": 100.0,
    }
)
GRID = tuple(float(v) for v in np.geomspace(0.5, 900, 24))


def numeric_report() -> AutoDisReport:
    """One field for each encoder, and one that is missing throughout."""
    fields = {name: _field(name, *of) for name, of in ENCODINGS.items()}
    return AutoDisReport(
        spec_name="shop", response_rows=512, fields={**fields, "gone": _gone()}
    )


def _field(name: str, encoding: NumericEncoding, bins: int) -> FieldReport:
    rng = np.random.default_rng(len(name))
    along = np.linspace(0, 1, len(GRID))
    assignments = usage = None
    if bins:
        centres = np.linspace(0, 1.3, bins)
        scores = -(((along[:, None] - centres) / 0.1) ** 2)
        weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        assignments = tuple(tuple(row) for row in weights.round(6).tolist())
        usage = BinUsage(
            shares=tuple(weights.mean(axis=0).clip(0, 1).tolist()),
            effective=bins * 0.7,
            dead=(bins - 1,),
            drift=0.0312 if name == "price" else None,
        )
    circle = np.stack([np.cos(3 * along), np.sin(3 * along)], axis=1)
    searched = Search(
        winner="autodis",
        margin=0.00123,
        candidates=(
            Candidate(encoder="autodis", logloss=0.34567, deviation=0.0002, seeds=3),
            Candidate(encoder="linear", logloss=0.3469, deviation=0.0001, seeds=3),
        ),
    )
    return FieldReport(
        plan=FieldPlan(
            statistics=_STATISTICS,
            scaling=Scaling(kind="log1p", low=0.5, high=900.0, shift=3.0, width=2.0),
            encoding=encoding,
            reasons={
                "scaling": "the outer percent reaches 40 times the middle half",
                "encoder": f"the spec asks for {encoding.kind}",
                "missing": "2% of the rows have no value",
                **({"temperature": "bins are few"} if name == "price" else {}),
            },
            given=("encoder",),
            search=searched if name == "price" else None,
        ),
        splits={
            "test": _values(900, 0.02, 0.0, 0.004),
            "train": _values(8000, 0.03, 0.0, 0.0),
            "valid": _values(1000, 0.01, 0.001, 0.002),
        },
        ranks=GRID,
        grid=GRID,
        assignments=assignments,
        usage=usage,
        temperature=0.0478 if encoding.kind == "autodis" else None,
        embedding=Embedding(
            path=tuple((float(a), float(b)) for a, b in circle),
            explained=(0.812, 0.1),
            spread=0.9,
        ),
        response=tuple((0.1 + 0.2 * along).round(5).tolist()),
        response_missing=0.15,
        click_rates=tuple(
            ClickRate(low=low, high=high, rows=1000 + int(rng.integers(9)), rate=rate)
            for low, high, rate in (
                (0.5, 0.5, 0.08),
                (0.5, 30.0, 0.16),
                (30.0, 900.0, 0.31),
            )
        ),
        missing_clicks=ClickRate(low=0.0, high=0.0, rows=240, rate=0.125),
        warnings=("1 of 20 bins of autodis are dead",) if name == "price" else (),
    )


def _gone() -> FieldReport:
    return FieldReport(
        plan=FieldPlan(
            statistics=_STATISTICS,
            scaling=Scaling(kind="none", low=0.0, high=0.0, missing=0.0),
            encoding=LinearEncoding(),
            reasons={"missing": "the training split holds no value"},
        ),
        splits={"train": _values(8000, 1.0, 0.0, 0.0)},
        ranks=(),
        grid=(),
        assignments=None,
        usage=None,
        temperature=None,
        embedding=None,
        response=(),
        response_missing=None,
        click_rates=(),
        missing_clicks=ClickRate(low=0.0, high=0.0, rows=8000, rate=0.2),
        warnings=("the training split holds no value",),
    )


def _values(rows: int, missing: float, below: float, above: float) -> SplitValues:
    return SplitValues(
        rows=rows, missing=missing, non_finite=0.0, below=below, above=above
    )
