"""The artifact that carries a discretization plan."""

from tfx.types import artifact


class DiscretizationPlan(artifact.Artifact):
    """A folder with `discretization_plan.json`."""

    TYPE_NAME = "clickwright.DiscretizationPlan"
