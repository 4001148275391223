"""A run whose items have vectors and tags, and what of them reaches the servers."""

import json
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from item_shop import FEATURES, item_vectors, make_item_shop
from tiny_shop import CONFIG, SPEC, Shop

from clickwright.schemas.item_table import ItemTable

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, dict[str, Any]]:
    shop = make_item_shop(tmp_path_factory.mktemp("items"))
    shop.write_config(
        {
            **CONFIG,
            "model": {"name": "fm", "params": {"embedding_dim": 4}},
            "training": {"epochs": 4, "batch_size": 128, "learning_rate": 0.01},
        }
    )
    done = subprocess.run(
        [
            *(sys.executable, "-m", "clickwright.pipeline.cli", "run", "--json"),
            *("-c", shop.config, "--out", shop.out),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "item: 40 of 40 described" in done.stderr
    return shop, json.loads(done.stdout)


def test_the_run_makes_the_table_and_trains_with_it(
    run: tuple[Shop, dict[str, Any]],
) -> None:
    shop, summary = run
    states = {c["name"]: c["state"] for c in summary["components"]}
    assert states["ItemTableGen"] == states["Trainer"] == "complete"
    (folder,) = shop.out.glob("**/item_table/*/item")
    table = ItemTable.read(folder)
    assert (table.known, table.absent, table.unknown) == (40, 0, 2)
    assert table.vectors["look"].missing == 1
    assert table.attributes["tags"].missing == 20


def test_the_published_model_holds_the_vectors_once(
    run: tuple[Shop, dict[str, Any]],
) -> None:
    shop, summary = run
    (folder,) = shop.out.glob("**/item_table/*/item")
    table = ItemTable.read(folder)
    expected = np.asarray(table.array(folder, "look"))
    np.testing.assert_array_equal(
        np.sort(expected[1:41, 0]),
        np.sort(np.where(np.arange(40) == 5, 0, item_vectors()[:40, 0])).astype(
            np.float16
        ),
    )
    loaded = tf.saved_model.load(summary["published"])
    variables = loaded.signatures["serving_default"].variables
    found = [v for v in variables if v.dtype == tf.float16 and v.shape == (42, 3)]
    assert len(found) == 1
    np.testing.assert_array_equal(found[0], expected)


def test_the_report_says_how_many_items_are_described(
    run: tuple[Shop, dict[str, Any]],
) -> None:
    shop, _ = run
    report = (shop.out / "report.html").read_text()
    assert 'id="items"' in report
    assert "float16" in report


def test_item_data_that_break_a_rule_end_the_run_with_row_and_rule(
    tmp_path: pathlib.Path, command: Any
) -> None:
    shop = make_item_shop(tmp_path)
    look = {**FEATURES["look"], "width": 4}
    shop.write_spec({**SPEC, "features": {**FEATURES, "look": look}})

    code, _, shown = command("run", "-c", shop.config, "--out", shop.out)

    assert code == 1
    assert "ItemTableGen" in shown
    assert "must have 4 values, its `width`. Received: vectors of 3" in shown
    assert shop.published() == []
