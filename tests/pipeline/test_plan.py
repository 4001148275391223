"""What `clickwright plan` says of embedding tables."""

import pathlib

import pytest
import yaml
from tiny_shop import make_shop

from clickwright.pipeline.plan import make_plan


@pytest.mark.parametrize(
    ("params", "rows", "size"),
    [
        # 42 ids of 16 + 1 values, 4 bytes each, and two moments of each.
        ({}, 42, 42 * 17 * 12),
        # 11 remainders, 4 quotients.
        (
            {"compression": {"kind": "quotient_remainder", "min_rows": 42}},
            11 + 4,
            15 * 17 * 12,
        ),
        ({"compression": {"kind": "multi_hash", "min_rows": 43}}, 42, 42 * 17 * 12),
        # One row for rare ids; counts for the embeddings and for the linear weights.
        ({"min_frequency": 3}, 43, 43 * 17 * 12 + 2 * 4 * 42),
    ],
)
def test_a_plan_states_the_memory_of_kept_rows(
    tmp_path: pathlib.Path, params: dict[str, object], rows: int, size: int
) -> None:
    shop = make_shop(tmp_path)
    config = yaml.safe_load(shop.config.read_text())
    config["model"] = {"name": "deepfm", "params": {"embedding_dim": 16, **params}}
    shop.config.write_text(yaml.safe_dump(config))

    tables = {t.feature: t for t in make_plan(shop.config, None, shop.out).tables}

    item = tables["item"]
    assert (item.ids, item.rows, item.width, item.bytes) == (42, rows, 17, size)
