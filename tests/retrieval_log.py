"""A small log of what users took one after the other, and what Transform makes of it."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numeric_plans import make_plan
from transformed_shop import Row, Transformed, encode, transform

from clickwright.schemas.spec import FeatureSpec

ITEMS = 15
USERS = 40
SPEC = FeatureSpec.model_validate(
    {
        "name": "sequences",
        "split": {"kind": "given"},
        "labels": {"taken": {"always": True}},
        "group_key": "user",
        "features": {
            "user": {
                "kind": "categorical",
                "role": "user",
                "dtype": "int64",
                "vocabulary": {"kind": "identity", "size": USERS},
            },
            "clicks": {
                "kind": "sequence",
                "role": "user",
                "of": "item",
                "presence": "optional",
                "max_length": 4,
            },
            "all_clicks": {
                "kind": "sequence",
                "role": "user",
                "of": "item",
                "column": "clicks",
                "presence": "optional",
                "max_length": 9,
                "padding": "left",
            },
            "item": {
                "kind": "categorical",
                "role": "item",
                "vocabulary": {"kind": "learned", "oov_buckets": 2},
            },
        },
    }
)
PLAN = make_plan(SPEC, {})


def sequences() -> list[list[int]]:
    """Users walk through the items in a circle; the last item of all is taken last."""
    rng = np.random.default_rng(0)
    starts, lengths = rng.integers(0, ITEMS, USERS), rng.integers(4, 11, USERS)
    return [
        ((start + np.arange(n)) % ITEMS).tolist()
        for start, n in zip(starts, lengths, strict=True)
    ]


def make_rows(back: int) -> list[Row]:
    """One row a user, which asks for the item that lies so far back."""
    return [
        {
            "taken": 1,
            "user": user,
            "clicks": [f"item {i}" for i in items[:-back]],
            "item": f"item {items[-back]}" if (user, back) != (3, 1) else "unheard of",
        }
        for user, items in enumerate(sequences())
    ]


TRAIN, VALID, TEST = (make_rows(back) for back in (3, 2, 1))


def transformed(folder: pathlib.Path) -> Transformed:
    """Learns the graph from the train rows; the item's vocabulary is of these alone."""
    return transform(folder, TRAIN, VALID, SPEC, PLAN)


def serialized(rows: Sequence[Row], only: Sequence[str] | None = None) -> list[bytes]:
    """tf.Examples of rows, or of requests that hold some columns."""
    return [encode(row, only, SPEC) for row in rows]


def padded(rows: Sequence[Row]) -> list[list[Any]]:
    """The lists of clicks, padded at the end."""
    longest = max(len(row["clicks"]) for row in rows)
    return [row["clicks"] + [""] * (longest - len(row["clicks"])) for row in rows]
