"""From the statistics of a field and what the spec says to the decisions."""

import numpy as np

from clickwright.components.discretizer.encodings import choose_encoder, encoding_of
from clickwright.components.discretizer.scalings import (
    choose_scaling,
    percent,
    scaled_moments,
    scaling_of,
)
from clickwright.schemas.discretization_plan import FieldPlan, FieldStatistics, Scaling
from clickwright.schemas.scale import scale
from clickwright.schemas.spec import NumericFeature

GIVEN = "given in the feature spec"


def decide(feature: NumericFeature, statistics: FieldStatistics) -> FieldPlan:
    """Decides on one numeric field.

    What the spec says wins, and is named in `given`; all else follows from the
    statistics, and `reasons` says how.

    Args:
        feature: what the spec says.
        statistics: what the training split says.
    """
    s, reasons, given = statistics, {}, []
    kind = feature.encoder if feature.encoder != "auto" else None
    if feature.scaling is not None:
        scaling_kind = feature.scaling
        reasons["scaling"] = GIVEN
        given.append("scaling")
    elif kind == "log_linear":
        scaling_kind, reasons["scaling"] = (
            "none",
            "log_linear takes the logarithm itself",
        )
    else:
        scaling_kind, reasons["scaling"] = choose_scaling(s)
    scaling = scaling_of(scaling_kind, s)
    if s.distinct == 1 and feature.scaling is not None:
        reasons["scaling"] += f"; constant, always {s.low:.6g}: scaled to 0"

    if kind is not None:
        reasons["encoder"] = GIVEN
        given.append("encoder")
    else:
        kind, reasons["encoder"] = choose_encoder(s, feature.default is not None)
    if feature.encoder == "auto":
        if kind == "linear" and s.missing and feature.default is None:
            # A mean in place of missing values would hide them from the others.
            kind = "buckets"
            reasons["encoder"] += "; but values are missing, and linear hides that"
        reasons["encoder"] = (
            f"to be found by training; until then {kind}: {reasons['encoder']}"
        )

    if feature.default is not None:
        given.append("missing")
    missing, reasons["missing"] = _missing(feature, s, scaling, kind == "linear")
    scaling = scaling.model_copy(update={"missing": missing})

    encoding, why = encoding_of(kind, feature, s, scaling)
    reasons |= why
    if kind in ("buckets", "piecewise_linear") and feature.buckets is not None:
        given.append("buckets")
    if kind == "autodis":
        for name in ("meta_embeddings", "temperature"):
            if getattr(feature.autodis, name) is not None:
                reasons[name] = GIVEN
                given.append(name)
    if s.non_finite:
        reasons["non_finite"] = (
            f"{percent(s.non_finite)} of the rows are infinite: left out of the "
            f"statistics, and moved to the end of the range"
        )
    return FieldPlan(
        statistics=s,
        scaling=scaling,
        encoding=encoding,
        reasons=reasons,
        given=tuple(given),
    )


def _missing(
    feature: NumericFeature, s: FieldStatistics, scaling: Scaling, linear: bool
) -> tuple[float | None, str]:
    """Returns the scaled value of a missing one, and the reason."""
    if feature.default is not None:
        value = float(scale(scaling, np.array([feature.default]))[0])
        reason = f"{GIVEN}: {feature.default:.6g}"
        if not s.low <= feature.default <= s.high:
            reason += (
                f", moved into the range of the training split, {s.low:.6g} to "
                f"{s.high:.6g}"
            )
        return value, reason
    many = "none is missing in the training split"
    if s.missing:
        many = f"missing in {percent(s.missing)} of the rows"
    if not linear:
        return None, f"{many}: an embedding of its own"
    mean = scaled_moments(scaling, s)[0]
    if scaling.kind in ("none", "min_max", "z_score"):
        mean = (s.mean - scaling.shift) / scaling.width
    return mean, f"{many}: the mean, which is all that linear can take"
