"""How far a mean may stray when it is looked at as often as one likes.

A fixed-horizon interval is right at one look. Read daily, it excludes the truth in far
more than `alpha` of the experiments. An asymptotic confidence sequence covers the truth
at all looks at once: its critical values, in standard errors, take the place of the
1.96 of the normal distribution.

References:
    Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and
    asymptotic confidence sequences", Annals of Statistics 52 (2024), arXiv:2103.06476:
    theorem 2.2 (two-sided), appendix B (one-sided, and the choice of rho).
"""

import math

TUNED_FOR = 5_000
"""Units of both arms at which the sequence is narrowest.

Its width hardly depends on it: at 100 times the units it is 10 % wider than a sequence
tuned for them. It must not be chosen after a look at the data."""


def two_sided_critical(
    units: float, alpha: float, tuned_for: float = TUNED_FOR
) -> float:
    """Standard errors on each side that an always-valid interval takes.

    Args:
        units: units of both arms so far.
        alpha: chance that the interval ever misses the truth.
        tuned_for: units at which it is narrowest.

    Returns:
        `sqrt(2 (x + 1) / x log(sqrt(x + 1) / alpha))` with `x = units rho^2`.
    """
    x = units * _squared_rho(alpha, tuned_for)
    return math.sqrt(2 * (x + 1) / x * math.log(math.sqrt(x + 1) / alpha))


def one_sided_critical(
    units: float, alpha: float, tuned_for: float = TUNED_FOR
) -> float:
    """Standard errors on the one side that a one-sided always-valid bound takes.

    Args:
        units: units of both arms so far.
        alpha: chance that the bound ever misses the truth.
        tuned_for: units at which it is narrowest.

    Returns:
        `sqrt(2 (x + 1) / x log(1 + sqrt(x + 1) / (2 alpha)))` with `x = units rho^2`.
    """
    x = units * _squared_rho(min(2 * alpha, 1.0), tuned_for)
    return math.sqrt(2 * (x + 1) / x * math.log1p(math.sqrt(x + 1) / (2 * alpha)))


def _squared_rho(alpha: float, tuned_for: float) -> float:
    """Variance of the mixture whose boundary is narrowest at `tuned_for` units."""
    doubled = -2 * math.log(alpha)
    return (doubled + math.log(doubled + 1)) / tuned_for
