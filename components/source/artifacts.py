"""The artifact that SourceGen writes."""

from tfx.types import artifact


class PreparedData(artifact.Artifact):
    """A folder of log files, item data and events, and what `PreparedFiles` says."""

    TYPE_NAME = "clickwright.PreparedData"
