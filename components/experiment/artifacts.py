"""The artifact that ExperimentGen writes."""

from tfx.types import artifact


class ExperimentDefinition(artifact.Artifact):
    """An online experiment: `experiment.yaml`, and `lineage.json` on its arms.

    Where there was nothing to compare it is empty, and its custom property `defined`
    is 0.
    """

    TYPE_NAME = "clickwright.Experiment"
