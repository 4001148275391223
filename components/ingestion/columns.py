"""Which columns ingestion reads."""

from clickwright.schemas.errors import ConfigError
from clickwright.schemas.spec import Column, FeatureSpec, HashSplit


def columns_to_read(spec: FeatureSpec) -> dict[str, Column]:
    """Returns the spec's columns, and those that only its split rule needs.

    Key columns of a hash split must be there in every row; one that the spec does
    not have is read as text.

    Raises:
        ConfigError: a list column is a key.
    """
    columns = spec.columns()
    if isinstance(spec.split, HashSplit):
        for name in spec.split.key:
            column = columns.get(name) or Column(name, "string", False, True)
            if column.is_list:
                raise ConfigError(
                    f"`split.key` must name columns of single values. Received: "
                    f"`{name}`, a list column.",
                    where=f"feature spec `{spec.name}`",
                    fix="choose a column such as the user's id",
                )
            columns[name] = column.model_copy(update={"required": True})
    return columns
