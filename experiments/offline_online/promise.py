"""How far an offline figure can be trusted."""

from clickwright.schemas.strict_yaml import StrictModel


class Promise(StrictModel):
    """One predictor over all past arms that have it and a trusted lift."""

    predictor: str
    """`auc`, `gauc`, `ne` or `off_policy`."""
    arms: int
    same_sign: int
    """Arms whose lift had the sign that was promised."""
    rank_correlation: float | None
    """Spearman's; None with fewer than three arms, or without any difference."""
    slope: float | None
    """Least squares through 0, arms weighted by the inverse variance of their lift: the
    relative lift that came for each 1 that was promised."""
