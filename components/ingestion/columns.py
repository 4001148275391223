"""Which columns ingestion reads."""

from clickwright.schemas.errors import ConfigError
from clickwright.schemas.spec import Column, FeatureSpec, HashSplit


def columns_to_read(spec: FeatureSpec) -> dict[str, Column]:
    """Returns the spec's columns; keys of a hash split must be there in every row.

    Raises:
        ConfigError: a list column is a key.
    """
    columns = spec.columns()
    if isinstance(spec.split, HashSplit):
        for name in spec.split.key:
            column = columns[name]
            if column.is_list:
                raise ConfigError(
                    f"`split.key` must name columns of single values. Received: "
                    f"`{name}`, a list column.",
                    where=f"feature spec `{spec.name}`",
                    fix="choose a column such as the user's id",
                )
            columns[name] = column.model_copy(update={"required": True})
    return columns
