"""An effect within a part of the units."""

from clickwright.experiments.statistics.effect import Effect
from clickwright.schemas.strict_yaml import StrictModel


class SliceEffect(StrictModel):
    """The effect on the primary metric among units with one value of an attribute."""

    slice: str
    """The attribute."""
    value: str | None
    """Its value; None for units without one."""
    effect: Effect
    """Its `adjusted_p` is Holm's over all slices, values and arms."""
    heterogeneity_p: float | None
    """Of equal lifts in all values of the attribute (Cochran's Q), Holm's over
    attributes and arms; the same for all values. None with fewer than two lifts."""
