"""Between which relative effects the truth lies."""

import math


def lift_bounds(
    control: float,
    control_variance: float,
    arm: float,
    arm_variance: float,
    shared_variance: float,
    critical: float,
) -> tuple[float, float] | None:
    """Interval for `arm / control - 1` from two means.

    It holds each lift `l` that the test of `arm - (1 + l) control = 0` does not reject.
    So it holds 0 exactly where the test of no difference does not reject, at a fixed
    horizon as in a confidence sequence, and it needs no clicks in the arm.

    Args:
        control: the control's mean.
        control_variance: variance of that mean, of its own.
        arm: the arm's mean.
        arm_variance: variance of that mean, of its own.
        shared_variance: variance that both means have in common, beside their own.
        critical: standard errors on each side.

    Returns:
        The bounds; None if the control's mean is not above 0 by more than `critical`
        standard errors, because then no lift can be ruled out.

    References:
        Fieller, "Some problems in interval estimation", JRSS B 16 (1954).
    """
    leading = control**2 - critical**2 * (control_variance + shared_variance)
    if control <= 0 or leading <= 0:
        return None
    middle = arm * control - critical**2 * shared_variance
    last = arm**2 - critical**2 * (arm_variance + shared_variance)
    root = math.sqrt(max(middle**2 - leading * last, 0.0))
    return (middle - root) / leading - 1, (middle + root) / leading - 1
