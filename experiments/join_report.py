"""What came of joining outcomes to exposures."""

import datetime

from clickwright.schemas.strict_yaml import StrictModel


class JoinReport(StrictModel):
    """Counts of an experiment's exposures, and of the outcomes that its metrics need."""

    first_at: datetime.datetime | None
    """The first exposure; None without any."""
    last_at: datetime.datetime | None
    exposures: int
    """Without overrides."""
    overrides: int
    """Exposures whose arm an override chose; they are not analysed."""
    units: int
    """Without crossovers."""
    crossovers: int
    """Units that were seen in more than one arm; they are not analysed."""
    lost_exposures: int
    """Answered requests that could not be logged."""
    repeated_exposures: int
    """Records left out because their id was logged before, all experiments together."""
    repeated_outcomes: int
    outcomes: int
    """Each id once; the sum of those below."""
    counted: int
    """Within the attribution window after their exposure."""
    late: int
    """After it."""
    before_exposure: int
    """Since the start of the experiment, before their exposure."""
    orphans: int
    """Of requests or units that no exposure is known of."""
    others: int
    """Of requests of another experiment, or of overrides."""
    earlier: int
    """Before the experiment; what CUPED is for."""
