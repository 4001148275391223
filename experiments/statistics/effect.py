"""What an arm did to a metric, and how sure that is."""

from typing import Literal

from clickwright.schemas.strict_yaml import StrictModel


class Effect(StrictModel):
    """One arm against control on one metric.

    Numbers are None where the units do not determine them: fewer than two units in an
    arm, no spread at all (then what is always valid alone is known, and only if the
    means differ), a control mean that cannot be told from 0 (then there is nothing to
    be relative to, but still a difference).
    """

    metric: str
    role: Literal["primary", "secondary", "guardrail"]
    kind: Literal["mean", "ratio", "gauc"]
    direction: Literal["increase", "decrease"]
    """Where a better arm moves the metric."""
    arm: str
    units_control: int
    """0 with fewer than two, which determine nothing; so is `units_arm`."""
    units_arm: int
    control_mean: float | None = None
    """In the metric's scale; adjusted by the covariates if `cuped`."""
    arm_mean: float | None = None
    difference: float | None = None
    """`arm_mean - control_mean`."""
    difference_low: float | None = None
    """Fixed horizon, as is `difference_high`."""
    difference_high: float | None = None
    se: float | None = None
    """Standard error of the difference."""
    p_value: float | None = None
    """Two-sided, of no difference at a fixed horizon; right if read once."""
    adjusted_p: float | None = None
    """`p_value` after Holm's correction over the arms for the primary metric, over
    metrics and arms for secondary ones. Guardrails have none."""
    lift: float | None = None
    """`difference / control_mean`."""
    lift_low: float | None = None
    """Fixed horizon, as is `lift_high`; does not hold 0 where `p_value < alpha`."""
    lift_high: float | None = None
    always_low: float | None = None
    """Always valid, as is `always_high`: covers the true lift at all looks at once.
    `alpha` is shared by the arms. None with fewer units an arm than
    `stopping.minimum_units`."""
    always_high: float | None = None
    always_significant: bool = False
    """Whether the always-valid test rejects no difference."""
    cuped: bool = False
    """Whether covariates from before the experiment were used."""
    variance_reduction: float | None = None
    """Share of the difference's variance that the covariates took away."""
    margin: float | None = None
    """Worst relative harm that a guardrail allows."""
    harm_low: float | None = None
    """Guardrails: the relative harm is at least this, always valid and one-sided."""
    breached: bool = False
    """Guardrails: whether the harm exceeds `margin` for sure, at whatever look."""
