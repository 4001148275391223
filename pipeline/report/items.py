"""What the report says of item tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from clickwright.schemas.html_page import formats
from clickwright.schemas.item_table import ItemTable


@dataclass(frozen=True)
class _EntityRow:
    """One entity: how many of its values the item data describe."""

    name: str
    values: str
    described: str
    absent: str
    unknown: str


@dataclass(frozen=True)
class _ColumnRow:
    """One feature that a table holds."""

    name: str
    entity: str
    holds: str
    described: str
    missing: str
    size: str


@dataclass(frozen=True)
class ItemView:
    """The tables of the section."""

    entities: tuple[_EntityRow, ...]
    columns: tuple[_ColumnRow, ...]


def item_view(tables: Sequence[ItemTable]) -> ItemView | None:
    """The section on item tables; None where there are none."""
    if not tables:
        return None
    return ItemView(
        tuple(_entity_row(table) for table in tables),
        tuple(row for table in tables for row in _column_rows(table)),
    )


def _entity_row(table: ItemTable) -> _EntityRow:
    values = table.known + table.absent
    return _EntityRow(
        table.entity,
        formats.count(values),
        _part(table.known, values),
        formats.count(table.absent),
        formats.count(table.unknown),
    )


def _column_rows(table: ItemTable) -> list[_ColumnRow]:
    values = table.known + table.absent
    columns = [
        (
            name,
            f"{vector.width} values, {vector.storage}"
            + (f", at most {vector.error:.2g} off" if vector.error else ""),
            vector.missing,
        )
        for name, vector in table.vectors.items()
    ] + [
        (
            name,
            f"{attribute.values:,} values, {attribute.length} an entity at most",
            attribute.missing,
        )
        for name, attribute in table.attributes.items()
    ]
    return [
        _ColumnRow(
            name,
            table.entity,
            holds,
            _part(table.known - missing, values),
            formats.count(missing),
            formats.count(table.rows),
        )
        for name, holds, missing in columns
    ]


def _part(count: int, whole: int) -> str:
    share = formats.share(count / whole) if whole else formats.UNKNOWN
    return f"{formats.count(count)} ({share})"
