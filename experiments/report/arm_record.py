"""Where an arm of an experiment comes from, and what it did."""

from pydantic import Field

from clickwright.schemas.strict_yaml import StrictModel


class ArmRecord(StrictModel):
    """One arm: its traffic, the versions that answered, and their run."""

    name: str
    weight: float
    target: str
    """What the definition points the arm to: `ctr:canary`, `ctr/1795294536`, `ctr`."""
    control: bool = False
    units: int = 0
    """Units that saw this arm alone."""
    exposures: int = 0
    """Requests, those of units in more than one arm among them."""
    versions: dict[str, int] = Field(default_factory=dict)
    """Exposures by the version that the server reported."""
    lineage: dict[str, str] = Field(default_factory=dict)
    """What is known of the model: run, data span, metrics, time of publication."""
