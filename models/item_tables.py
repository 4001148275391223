"""Item tables inside models: their content, and which variables hold it."""

import pathlib
from collections.abc import Iterator, Mapping

import keras

from clickwright.models.layers.item_attributes import ItemAttributes
from clickwright.models.layers.item_vectors import ItemVectors
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.item_table import FILE_NAME, ItemTable

_AGAIN = "run Transform, the item table component and the Trainer again, in that order"


def fill_item_tables(
    model: keras.Model,
    folders: Mapping[str, pathlib.Path],
    digests: Mapping[str, str] | None = None,
) -> None:
    """Fills a model's frozen tables; files are mapped, and read once.

    Args:
        model: a model with `ItemVectors` and `ItemAttributes` named after features, as
            the registry builds them.
        folders: the item table of each entity.
        digests: of the vocabulary that the model's ids are of, by entity; those absent
            are not compared.

    Raises:
        ConfigError: a table is of another entity or vocabulary, no table holds what
            the model looks up, or it has other rows, width or storage.
        DataError: a file is absent or not what the manifest says.
    """
    tables = {}
    for entity, folder in folders.items():
        table = ItemTable.read(folder)
        _check_entity(table, entity, folder, (digests or {}).get(entity))
        tables[folder] = table
    for layer in _layers(model):
        vectors = isinstance(layer, ItemVectors)
        for folder, table in tables.items():
            if layer.name in (table.vectors if vectors else table.attributes):
                _check(layer, table, folder)
                matrix = table.array(folder, layer.name)
                if isinstance(layer, ItemVectors):
                    layer.fill(matrix, table.scales(folder, layer.name))
                else:
                    layer.fill(matrix)
                break
        else:
            kind = "vectors" if vectors else "attributes"
            raise ConfigError(
                f"No item table holds the {kind} `{layer.name}` that the model looks "
                f"up. There are tables of: {', '.join(folders) or 'nothing'}.",
                where=f"features.{layer.name}",
                fix="run the item table component with this feature spec",
            )


def frozen_variables(model: keras.Model) -> list[keras.Variable]:
    """The variables that item tables fill: never trained, the same in every epoch.

    Best weights and checkpoints leave them out: they may be larger than all others.
    """
    return [v for layer in _layers(model) for v in layer.frozen]


def _layers(model: keras.Model) -> Iterator[ItemVectors | ItemAttributes]:
    found = {id(layer): layer for layer in model._flatten_layers()}
    for layer in found.values():
        if isinstance(layer, ItemVectors | ItemAttributes):
            yield layer


def _check_entity(
    table: ItemTable, entity: str, folder: pathlib.Path, digest: str | None
) -> None:
    where = str(folder / FILE_NAME)
    if table.entity != entity:
        raise ConfigError(
            f"The item table is of `{table.entity}`, where one of `{entity}` is "
            f"wanted.",
            where=where,
            fix="give each entity its own table",
        )
    if digest is not None and table.vocabulary_digest != digest:
        raise ConfigError(
            f"The item table is of another vocabulary of `{entity}` than the "
            f"transformed rows are: its digest is {table.vocabulary_digest[:12]}, "
            f"theirs {digest[:12]}.",
            where=where,
            fix=_AGAIN,
        )


def _check(
    layer: ItemVectors | ItemAttributes, table: ItemTable, folder: pathlib.Path
) -> None:
    """Compares what the model was built for with the table."""
    found: dict[str, object] = {"rows": table.rows}
    wanted: dict[str, object] = {"rows": layer.rows}
    if isinstance(layer, ItemVectors):
        vectors = table.vectors[layer.name]
        found |= {"width": vectors.width, "storage": vectors.storage}
        wanted |= {"width": layer.width, "storage": layer.storage}
    else:
        found |= {"length": table.attributes[layer.name].length}
        wanted |= {"length": layer.length}
    for what, value in wanted.items():
        if found[what] != value:
            raise ConfigError(
                f"`{layer.name}` of the item table has the {what} {found[what]}, and "
                f"the model was built for {value}.",
                where=str(folder / FILE_NAME),
                fix=_AGAIN,
            )
