"""A tiny shop with gaps among its prices, their encoder found by a search."""

import json
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from tiny_shop import CONFIG, SPEC, Command, Shop, make_log

from clickwright.schemas.discretization_plan import DiscretizationPlan

pytestmark = pytest.mark.e2e
NUMERIC = ("Discretizer", "EncoderSearch", "PreviousReport", "NumericInspector")


@pytest.fixture
def shop(tmp_path: pathlib.Path) -> Shop:
    """Float64 prices, a fifth of them absent or NaN; clicks hang on them."""
    price = {**SPEC["features"]["price"], "encoder": "auto", "presence": "optional"}
    shop = Shop(tmp_path)
    shop.write_spec({**SPEC, "features": {**SPEC["features"], "price": price}})
    shop.write_config(
        {
            **CONFIG,
            "model": {
                "name": "deepfm",
                "params": {"embedding_dim": 4, "hidden_units": [8]},
            },
            "numeric_search": {
                "seeds": 2,
                "epochs": 1,
                "encoders": ["linear", "autodis"],
            },
            "export": {"freeze_numeric": {"max_error": 1e-3}},
        }
    )
    rng = np.random.default_rng(5)
    tables = {}
    for split, table in make_log().items():
        prices: list[float | None] = table["price"].to_pylist()
        for row in rng.choice(len(prices), len(prices) // 5, replace=False):
            prices[row] = None if row % 2 else float("nan")
        place = table.schema.get_field_index("price")
        column = pa.array(prices, pa.float64())
        tables[split] = table.set_column(place, "price", column)
    shop.write_log(tables)
    return shop


def the_plan(shop: Shop, pattern: str) -> DiscretizationPlan:
    [path] = (shop.out / "artifacts").glob(f"{pattern}/discretization_plan.json")
    return DiscretizationPlan.read(path.parent)


def test_numbers_go_all_the_way_from_the_log_to_the_server(
    shop: Shop, command: Command
) -> None:
    code, out, _ = command("plan", "-c", shop.config, "--out", shop.out)
    assert code == 0
    planned = [line.split()[0] for line in out.splitlines() if line.split()]
    assert [name for name in planned if name in NUMERIC] == list(NUMERIC)

    code, out, shown = command("run", "-c", shop.config, "--out", shop.out, "--json")

    assert code == 0, shown
    summary: dict[str, Any] = json.loads(out)
    components = {c["name"]: c for c in summary["components"]}
    for name in NUMERIC:
        assert components[name]["state"] == "complete"
        assert f"✓ {name} " in shown
    assert components["Discretizer"]["rows"] == 2000
    assert components["NumericInspector"]["rows"] == 3200

    rules = the_plan(shop, "Discretizer/plan/*")
    assert rules == the_plan(shop, "SpecTransform/transform_graph/*")
    found = the_plan(shop, "EncoderSearch/plan/*")
    assert rules.fields["price"].statistics.missing == pytest.approx(0.2)
    assert rules.fields["price"].search is None
    assert found.fields["price"].scaling == rules.fields["price"].scaling
    search = found.fields["price"].search
    assert search is not None
    assert search.winner == found.fields["price"].encoding.kind
    assert {c.encoder for c in search.candidates} >= {"linear", "autodis"}

    signatures = tf.saved_model.load(summary["published"]).signatures
    examples = tf.constant([example(None), example(float("inf")), example(1e9)])
    probability = signatures["serving_default"](examples=examples)["probability"]
    assert np.isfinite(probability).all()
    # Beyond the range all values are as the largest one.
    assert probability[1] == probability[2]
    health = signatures["numeric_health"](examples=examples)
    assert {name: int(count[0]) for name, count in health.items()} == {
        "missing": 1,
        "non_finite": 1,
        "below": 0,
        "above": 1,
    }


def example(price: float | None) -> bytes:
    made = tf.train.Example()
    features = made.features.feature
    features["user"].int64_list.value.append(1)
    features["item"].int64_list.value.append(2)
    features["device"].bytes_list.value.append(b"phone")
    if price is not None:
        features["price"].float_list.value.append(price)
    return made.SerializeToString()
