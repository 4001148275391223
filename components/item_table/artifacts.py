"""The artifact that carries item tables."""

from tfx.types import artifact


class ItemTable(artifact.Artifact):
    """A folder with one folder an entity, each an item table."""

    TYPE_NAME = "clickwright.ItemTable"
