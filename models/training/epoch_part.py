"""How far an epoch got."""

import pydantic


class EpochPart(pydantic.BaseModel):
    """How far an epoch got. All 0 between two epochs.

    Attributes:
        steps: steps done.
        rows: rows seen.
        seconds: seconds spent.
        loss: sum of the rows' losses, each times its weight.
        weight: sum of the rows' weights.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    steps: int = 0
    rows: int = 0
    seconds: float = 0.0
    loss: float = 0.0
    weight: float = 0.0
