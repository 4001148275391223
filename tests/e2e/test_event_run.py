"""A run whose histories the ingestion makes from a log of events."""

import json
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from tiny_shop import CONFIG, ROWS, SPEC, Command, Shop

pytestmark = pytest.mark.e2e
USERS, ITEMS = 50, 40
START = 1_700_000_000
AGREES = 0.85
"""Share of the rows whose click says whether item and last event are of one parity."""


@pytest.fixture
def shop(tmp_path: pathlib.Path) -> Shop:
    """A row is clicked where its item is of the parity of the user's last event.

    Each row leaves an event at its own second, which gives its click away, and is the
    last event of the user's next row.
    """
    rng = np.random.default_rng(3)
    shop = Shop(tmp_path)
    last = {
        "kind": "sequence",
        "role": "user",
        "of": "item",
        "max_length": 1,
        "presence": "optional",
        "events": {"key": "user", "timestamp": "time", "columns": {"last": "item"}},
    }
    shop.write_spec(
        {**SPEC, "timestamp": "time", "features": {**SPEC["features"], "last": last}}
    )
    shop.write_config(
        {
            **CONFIG,
            "model": {"name": "fm", "params": {"embedding_dim": 8, "l2": 0.0}},
            "training": {"epochs": 20, "batch_size": 128, "learning_rate": 0.02},
        }
    )
    rows = sum(ROWS.values())
    user, item = rng.integers(USERS, size=rows), rng.integers(ITEMS, size=rows)
    time = START + 10 * np.arange(rows)
    click, event = np.zeros(rows, int), np.zeros(rows, int)
    parity = rng.integers(2, size=USERS)
    for n in range(rows):
        agrees = item[n] % 2 == parity[user[n]]
        click[n] = agrees == (rng.random() < AGREES)
        event[n] = item[n] if click[n] else item[n] ^ 1
        parity[user[n]] = event[n] % 2
    log = pa.table(
        {
            "click": click,
            "user": user,
            "item": item,
            "time": time,
            "device": ["phone", "desktop"] * (rows // 2),
            "price": np.ones(rows, np.float32),
        }
    )
    starts = np.cumsum([0, *ROWS.values()])
    shop.write_log(
        {s: log.slice(starts[n], size) for n, (s, size) in enumerate(ROWS.items())}
    )
    events = pa.table({"time": time, "user": user, "item": event})
    pq.write_table(events, shop.log / "events.parquet")
    return shop


def test_histories_go_from_the_log_of_events_to_the_server(
    shop: Shop, command: Command
) -> None:
    code, out, shown = command("run", "-c", shop.config, "--out", shop.out, "--json")

    assert code == 0, shown
    summary: dict[str, Any] = json.loads(out)
    # More could only be learned from what happened in a row's own second.
    assert AGREES - 0.05 < summary["metrics"]["test"]["auc"] < AGREES + 0.05
    signatures = tf.saved_model.load(summary["published"]).signatures
    examples = tf.constant(
        [example(item, last) for item in (4, 5) for last in ([8], [9], [])]
    )
    score = signatures["serving_default"](examples=examples)["probability"].numpy()
    even, odd, none = score.reshape(2, 3).T
    assert min(even[0], odd[1]) > 0.7
    assert max(even[1], odd[0]) < 0.3
    assert np.isfinite(none).all()


def example(item: int, last: list[int]) -> bytes:
    made = tf.train.Example()
    features = made.features.feature
    features["user"].int64_list.value.append(1)
    features["item"].int64_list.value.append(item)
    features["device"].bytes_list.value.append(b"phone")
    features["price"].float_list.value.append(1.0)
    features["last"].int64_list.value.extend(last)
    return made.SerializeToString()
