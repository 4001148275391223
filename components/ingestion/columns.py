"""Which columns ingestion reads."""

from clickwright.schemas.errors import ConfigError
from clickwright.schemas.spec import Column, FeatureSpec, HashSplit


def columns_to_read(spec: FeatureSpec) -> dict[str, Column]:
    """Returns the columns of the log; keys of a hash split must be in every row.

    Those that are made from events are not among them.

    Raises:
        ConfigError: a list column is a key.
    """
    made = {c for name in spec.event_logs() for c in spec.event_columns(name)}
    columns = {name: c for name, c in spec.columns().items() if name not in made}
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
