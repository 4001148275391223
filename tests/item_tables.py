"""Item data, and specs whose items have them."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clickwright.components.item_table.build_table import build_table
from clickwright.schemas.item_table import ItemTable
from clickwright.schemas.spec import FeatureSpec


def item_spec(features: Mapping[str, Mapping[str, Any]], **item: Any) -> FeatureSpec:
    """A spec with `item`, int64 unless told otherwise, and features of it."""
    entity = {"kind": "categorical", "role": "item", "dtype": "int64", **item}
    return FeatureSpec.model_validate(
        {
            "name": "shop",
            "split": {"kind": "given"},
            "labels": {"click": {}},
            "features": {
                "item": entity,
                **{n: {"role": "item", "of": "item", **f} for n, f in features.items()},
            },
        },
        strict=False,
    )


def write_items(path: pathlib.Path, **columns: Any) -> pathlib.Path:
    """Writes the columns as Parquet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def build(
    spec: FeatureSpec,
    values: Sequence[str],
    path: pathlib.Path,
    folder: pathlib.Path,
    oov_rows: int = 1,
) -> ItemTable:
    """The table of `item`, in `folder`."""
    folder.mkdir(exist_ok=True)
    return build_table(spec, "item", values, 1 + len(values) + oov_rows, path, folder)
