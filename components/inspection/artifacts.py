"""The artifact that the inspector writes."""

from tfx.types import artifact


class AutoDisReport(artifact.Artifact):
    """What became of every numeric field; `autodis_report.json` holds it."""

    TYPE_NAME = "clickwright.AutoDisReport"
