"""A tiny shop goes from span to span, and bad spans publish nothing."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tiny_shop import CONFIG, SPEC, Shop, make_log, make_shop

from clickwright.components.spans.span_journal import SpanJournal
from clickwright.models.training.training_state import TrainingState, state_folder

pytestmark = pytest.mark.slow
RUN: dict[str, Any] = {
    **CONFIG,
    "model": {"name": "deepfm", "params": {"embedding_dim": 4}},
    "evaluation": {"thresholds": {"auc": {"min": 0.5}}},
    "serving": {"validate": False},
    "incremental": {"window": 2, "reservoir": 500},
}


def log_of(span: int) -> dict[str, pa.Table]:
    """Rows of a span; each brings ten items that were not there before."""
    tables = make_log(span)
    for split, table in tables.items():
        items = table["item"].to_numpy()
        fresh = np.where(items < 10, items + 100 * span, items)
        index = table.schema.get_field_index("item")
        tables[split] = table.set_column(index, "item", pa.array(fresh))
    return tables


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    shop = make_shop(tmp_path_factory.mktemp("spans"))
    shop.write_config(RUN)
    for span in (1, 2):
        shop.write_log(log_of(span), to=f"log/span-{span}")
    return shop


def clickwright(shop: Shop, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "clickwright.pipeline.cli", *arguments),
            *("-c", str(shop.config), "--out", str(shop.out)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def backfilled(shop: Shop) -> list[dict[str, Any]]:
    done = clickwright(shop, "backfill", "--spans", "1..2", "--json")
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def states(shop: Shop) -> dict[int | None, TrainingState]:
    folders = (shop.out / "artifacts" / "Trainer" / "model").iterdir()
    found = [TrainingState.read(state_folder(folder)) for folder in folders]
    return {state.manifest.span: state for state in found}


def test_each_span_goes_on_from_the_one_before(
    backfilled: list[dict[str, Any]], shop: Shop
) -> None:
    first, second = backfilled
    assert (first["spans"]["parent"], second["spans"]["parent"]) == (None, 1)
    assert second["spans"]["rows"]["train"] == 2000 + 500
    assert len({first["published"], second["published"]} - {None}) == 2
    journal = SpanJournal.read(shop.out / "spans.jsonl")
    assert [(r.span, r.state) for r in journal.records] == [
        (span, state) for span in (1, 2) for state in ("started", "blessed")
    ]
    found = states(shop)
    parent = found[2].manifest.parent
    assert parent is not None and parent.state_sha256 == found[1].manifest.sha256
    before, after = found[1].vocabularies["item"], found[2].vocabularies["item"]
    assert list(after[: len(before)]) == list(before)
    assert set(after[len(before) :]) == {str(item) for item in range(200, 210)}


def test_a_backfill_that_is_done_does_nothing_more(
    backfilled: list[dict[str, Any]], shop: Shop
) -> None:
    before = shop.published()
    done = clickwright(shop, "backfill", "--spans", "1..2", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, [])
    assert "span 2 was run before" in done.stderr
    assert shop.published() == before


def refused(shop: Shop, *words: str) -> None:
    before = shop.published()
    done = clickwright(shop, "run", "--span", "latest")
    assert done.returncode == 1
    told = " ".join(done.stderr.split())
    for word in words:
        assert word in told
    assert shop.published() == before
    assert not shop.unfinished_executions()


def test_a_parent_that_is_another_model_is_refused(
    backfilled: list[dict[str, Any]], shop: Shop
) -> None:
    shop.write_log(log_of(3), to="log/span-3")
    shop.write_config({**RUN, "model": {"name": "dcnv2"}})
    refused(shop, "deepfm", "dcnv2", "warm_start: false")


def test_a_parent_of_another_schema_is_refused_and_the_run_resumes(
    backfilled: list[dict[str, Any]], shop: Shop
) -> None:
    shop.write_log(log_of(3), to="log/span-3")
    shop.write_config(RUN)
    features = {n: f for n, f in SPEC["features"].items() if n != "device"}
    shop.write_spec({**SPEC, "features": features, "slices": []})
    refused(shop, "warm_start: false")
    shop.write_spec(SPEC)
    done = clickwright(shop, "run", "--span", "latest", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["spans"]["newest"], summary["spans"]["parent"]) == (3, 2)
    assert summary["published"] is not None
