"""The tiny shop, with vectors and tags of its items."""

import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
from item_tables import write_items
from tiny_shop import SPEC, Shop, make_shop

WIDTH = 3
FEATURES: dict[str, Any] = {
    **SPEC["features"],
    "look": {
        "kind": "embedding",
        "role": "item",
        "of": "item",
        "column": "vector",
        "width": WIDTH,
        "storage": "float16",
    },
    "tags": {"kind": "attribute", "role": "item", "of": "item", "max_length": 2},
}


def item_vectors(seed: int = 0) -> np.ndarray:
    """Vectors of the forty items of the log, and of two it never shows."""
    return np.random.default_rng(seed).normal(size=(42, WIDTH)).astype(np.float32)


def write_item_data(path: pathlib.Path, seed: int = 0) -> pathlib.Path:
    """Items 0 to 41, of which item 5 has no vector; even ones are `even`."""
    vectors: list[Any] = list(item_vectors(seed))
    vectors[5] = None
    tags = [["even", f"tens {n // 10}"] if n % 2 == 0 else [] for n in range(42)]
    return write_items(
        path,
        item=list(range(42)),
        vector=pa.array(vectors, pa.list_(pa.float32())),
        tags=pa.array(tags, pa.list_(pa.string())),
    )


def make_item_shop(folder: pathlib.Path) -> Shop:
    """A tiny shop with `items.parquet` beside the splits."""
    shop = make_shop(folder)
    shop.write_spec({**SPEC, "features": FEATURES})
    write_item_data(shop.log / "items.parquet")
    return shop
