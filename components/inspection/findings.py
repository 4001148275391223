"""What a person should know of a numeric field, in words."""

from collections.abc import Iterator, Sequence

import numpy as np

from clickwright.schemas.autodis_report import BinUsage, ClickRate, Embedding

CONSTANT = 1e-3
"""Spread, as a part of the largest norm, below which an embedding is constant."""
FLAT = 0.1
"""A response that moves by less than this part of the click rate's movement is flat."""
MOVES = 0.05
"""Deviation of the click rate between bins, as a part of its mean, that counts."""
CHANCE = 1e-4
"""Probability, at most, with which chance alone is taken for movement."""


def findings(
    *,
    encoder: str,
    grid: Sequence[float] | np.ndarray,
    usage: BinUsage | None,
    embedding: Embedding | None,
    response: Sequence[float],
    click_rates: Sequence[ClickRate],
) -> Iterator[str]:
    """Yields one sentence a finding.

    * A field without a value, or with one alone, can say nothing.
    * Bins that no row of the training split uses are dead.
    * An embedding that is constant over the grid cannot tell values apart.
    * A flat response is suspicious where the click rate is not: when it moves by more
      than chance and by `MOVES` of its mean, and the response by less than `FLAT` of
      that.
    """
    if len(grid) < 2:
        what = "one value alone" if len(grid) else "no value"
        yield f"the training split holds {what}: the field can tell no rows apart"
        return
    if usage is not None and usage.dead:
        bins = len(usage.shares)
        yield (
            f"{len(usage.dead)} of {bins} bins of {encoder} are dead: the training "
            f"split uses {usage.effective:.1f} bins in effect"
        )
    if embedding is not None and embedding.spread < CONSTANT:
        yield (
            f"the embedding of {encoder} is constant over the field's values: it "
            "cannot tell them apart"
        )
    moved = _movement(click_rates)
    flat = float(np.std(response)) if len(response) else 0.0
    if moved is not None and flat < FLAT * moved:
        known = [b.rate for b in click_rates if b.rate is not None]
        yield (
            f"the response is flat (deviation {flat:.2g}) although the click rate "
            f"goes from {min(known):.2%} to {max(known):.2%}: the model does not use "
            "the field, or other fields say the same"
        )


def _movement(click_rates: Sequence[ClickRate]) -> float | None:
    """Deviation of the click rate between bins; None where it may be chance."""
    known = [(b.rows, b.rate) for b in click_rates if b.rate is not None]
    if len(known) < 2:
        return None
    rows, rates = np.array(known, np.float64).T
    mean = np.average(rates, weights=rows)
    variance = np.average((rates - mean) ** 2, weights=rows)
    if not 0.0 < mean < 1.0:
        return None
    # Pearson's statistic of independence, and a bound of its tail (Laurent and
    # Massart, Annals of Statistics 2000, lemma 1).
    chi_square = rows.sum() * variance / (mean * (1 - mean))
    freedom, t = len(known) - 1, -np.log(CHANCE)
    by_chance = chi_square < freedom + 2 * np.sqrt(freedom * t) + 2 * t
    deviation = float(np.sqrt(variance))
    return None if by_chance or deviation < MOVES * mean else deviation
