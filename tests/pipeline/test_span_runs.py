"""Runs that go by spans: configuration, input, plan, commands and report."""

import pathlib
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from report_page import Page
from report_record import finished_run
from tiny_shop import CONFIG, SPEC, Command, Shop, make_log, make_shop

from clickwright.components.spans.span_journal import SpanJournal
from clickwright.components.spans.span_record import SpanRecord, State
from clickwright.components.spans.span_request import SpanRequest
from clickwright.pipeline import backfill as backfill_module
from clickwright.pipeline import run as run_module
from clickwright.pipeline.backfill import backfill
from clickwright.pipeline.config import LoadedConfig
from clickwright.pipeline.inputs import InputFiles, find_input
from clickwright.pipeline.paths import RunPaths
from clickwright.pipeline.plan import make_plan
from clickwright.pipeline.report.render import render
from clickwright.pipeline.run import RunResult
from clickwright.schemas.errors import ConfigError, DataError
from clickwright.schemas.marketplace.source import MarketplaceOptions, MarketplaceSource
from clickwright.schemas.spec import GivenSplit, TimeSplit

SPANNED = {**CONFIG, "incremental": {"window": 2}}
DAYS: dict[str, Any] = {"impressions": 4000, "users": 60, "items": 90, "days": 3}
BY_DAY: dict[str, Any] = {
    "name": "shop",
    "data": {"dataset": "marketplace", "options": {**DAYS, "by_day": True}},
    "model": {"name": "deepfm"},
    "incremental": {},
}


@pytest.fixture
def shop(tmp_path: pathlib.Path) -> Shop:
    """A tiny shop whose log lies in two spans."""
    shop = make_shop(tmp_path)
    shop.write_config(SPANNED)
    for span in (1, 2):
        shop.write_log(make_log(span), to=f"log/span-{span}")
    return shop


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    return Command(monkeypatch, capfd)


def found(shop: Shop, span: str | None = None) -> InputFiles:
    request = None if span is None else SpanRequest.parse(span)
    return find_input(LoadedConfig(shop.config), None, RunPaths(shop.out), request)


def note(shop: Shop, files: InputFiles, state: State = "blessed") -> None:
    assert files.spans is not None
    path = RunPaths(shop.out).spans
    journal = SpanJournal.read(path)
    journal.records.append(files.spans.record(state, "run"))
    journal.write(path)


def test_the_latest_span_is_read_with_its_window(shop: Shop) -> None:
    files = found(shop)
    assert files.spans is not None
    assert (files.spans.choice.newest, files.spans.choice.whole) == (2, (1,))
    assert files.rows == 2 * 2000 + 600 + 600
    assert files.format == "parquet" and files.span
    assert sorted(p.name for p in (files.folder / "span-2").iterdir()) == [
        "test",
        "train",
        "valid",
    ]


def test_a_later_run_reads_only_what_is_new(shop: Shop) -> None:
    note(shop, found(shop, "1"))
    files = found(shop, "latest")
    assert files.spans is not None
    assert files.spans.choice.parent == 1
    assert files.spans.rows["train"] == 2000
    assert files.fingerprint != found(shop, "2..2").fingerprint


def test_items_of_the_newest_span_come_before_those_beside_the_spans(
    tmp_path: pathlib.Path,
) -> None:
    shop = make_shop(tmp_path)
    vector = {"kind": "attribute", "role": "item", "of": "item", "column": "brand"}
    spec = {**SPEC, "features": {**SPEC["features"], "brand": vector}}
    shop.write_spec(spec)
    shop.write_config(SPANNED)
    for span in (1, 2):
        shop.write_log(make_log(span), to=f"log/span-{span}")
    items = pq.read_table(shop.log / "span-1/train").select(["item", "device"])
    for place in (shop.log, shop.log / "span-2"):
        pq.write_table(items.rename_columns(["item", "brand"]), place / "items.parquet")
    assert found(shop, "1").items["item"].path == shop.log / "items.parquet"
    assert found(shop, "2").items["item"].path == shop.log / "span-2/items.parquet"


def test_the_plan_tells_the_spans(shop: Shop) -> None:
    first = make_plan(shop.config, None, shop.out).steps[0]
    assert (first.state, first.note) == ("run", "spans 1..2 from scratch")
    note(shop, found(shop, "1"))
    found(shop)
    second = make_plan(shop.config, None, shop.out, "2").steps[0]
    assert second.state == "cached"
    assert second.note == "3,200 rows, span 2 from the model of span 1"


@pytest.mark.parametrize("name", ["run", "plan"])
def test_a_span_needs_a_run_that_goes_by_spans(
    name: str, shop: Shop, command: Command
) -> None:
    shop.write_config(CONFIG)
    code, _, error = command(name, "-c", shop.config, "--span", "2", "--out", shop.out)
    assert code == 1
    assert "the run does not go by spans" in error
    assert "incremental: {}" in error


def test_a_gap_is_told_before_anything_is_published(
    shop: Shop, command: Command
) -> None:
    shop.write_log(make_log(4), to="log/span-4")
    code, _, error = command("run", "-c", shop.config, "--out", shop.out)
    assert code == 1
    assert "There is a gap" in error and "3 is not there" in error
    assert "--span 4..4" in error
    assert not shop.published()
    assert not RunPaths(shop.out).spans.exists()


def test_a_span_that_arrives_twice_is_told_before_anything_is_published(
    shop: Shop, command: Command
) -> None:
    note(shop, found(shop, "2"))
    shop.write_log(make_log(9), to="log/span-1")
    code, _, error = command("run", "-c", shop.config, "--out", shop.out)
    assert code == 1
    assert "The span 1 has arrived twice" in error
    assert "new number" in error
    assert not shop.published()


def test_the_spec_is_given_its_splits_and_the_log_keeps_its_rule(
    tmp_path: pathlib.Path,
) -> None:
    shop = make_shop(tmp_path)
    shop.write_config(BY_DAY)
    config = LoadedConfig(shop.config)
    assert isinstance(config.spec.split, GivenSplit)
    assert isinstance(config.log_spec.split, TimeSplit)


def test_days_of_the_simulated_shop_are_spans(tmp_path: pathlib.Path) -> None:
    whole, days = (
        MarketplaceSource(MarketplaceOptions(**DAYS, by_day=by_day)).prepare(
            None, tmp_path
        )
        for by_day in (False, True)
    )
    assert days.splits == ("span-1", "span-2", "span-3")
    log = pq.read_table(whole.directory / "all")
    day = (log["timestamp"].to_numpy() - 1_704_067_200) // 86_400
    for number in (1, 2, 3):
        part = pq.read_table(days.directory / f"span-{number}" / "all")
        assert part.equals(log.filter(day == number - 1))
    assert days.details == whole.details


def test_the_truth_of_the_newest_day_is_that_of_its_test_rows(
    tmp_path: pathlib.Path,
) -> None:
    shop = make_shop(tmp_path)
    shop.write_config(BY_DAY)
    files = found(shop, "2")
    assert files.bayes is not None and files.spans is not None
    assert files.bayes["test"]["rows"] == files.spans.rows["test"]
    assert files.bayes["valid"]["rows"] == files.spans.rows["valid"]
    assert np.isfinite(files.bayes["test"]["auc"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"incremental": None}, "The log lies in spans"),
        (
            {"data": {"dataset": "marketplace"}},
            "needs data in spans, which `marketplace` has not",
        ),
        ({"model": {"name": "sasrec"}}, "belongs to click models"),
        ({"incremental": {"window": 0}}, "incremental.window"),
    ],
)
def test_what_does_not_go_by_spans_is_refused(
    change: dict[str, Any], words: str, tmp_path: pathlib.Path
) -> None:
    shop = make_shop(tmp_path)
    shop.write_config({**BY_DAY, **change})
    with pytest.raises(ConfigError, match=words):
        LoadedConfig(shop.config)


def test_fixed_times_do_not_move_on_with_the_spans(tmp_path: pathlib.Path) -> None:
    shop = make_shop(tmp_path)
    rule = {"kind": "time", "valid_from": 5, "test_from": 9}
    features = {n: f for n, f in SPEC["features"].items() if n != "price"}
    shop.write_spec({**SPEC, "features": features, "timestamp": "time", "split": rule})
    shop.write_config(SPANNED)
    with pytest.raises(ConfigError, match="fixed times"):
        LoadedConfig(shop.config)


def test_encoders_that_stay_are_not_searched_for(shop: Shop) -> None:
    price = {**SPEC["features"]["price"], "encoder": "auto"}
    shop.write_spec({**SPEC, "features": {**SPEC["features"], "price": price}})
    with pytest.raises(ConfigError, match="whose encoders stay"):
        LoadedConfig(shop.config)
    shop.write_config({**CONFIG, "incremental": {"warm_start": False}})
    assert LoadedConfig(shop.config).search is not None


class Runs:
    """Stands for runs of the pipeline; those of some spans fail."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.spans: list[str] = []
        self.broken: set[str] = set()

    def __call__(self, path: pathlib.Path, *, span: str, **options: Any) -> RunResult:
        self.spans.append(span)
        files = found(self.shop, span)
        if span in self.broken:
            note(self.shop, files, "failed")
            raise run_module.RunError("Trainer failed.")
        note(self.shop, files)
        assert files.spans is not None
        choice, test = files.spans.choice, {"auc": 0.7, "logloss": 0.4}
        spans = {
            "newest": choice.newest,
            "parent": choice.parent,
            "rows": files.spans.rows,
        }
        summary = {
            "spans": spans,
            "metrics": {"test": test},
            "published": "serving/1",
            "components": [{"seconds": 2.0}],
        }
        return RunResult(summary, RunPaths(self.shop.out))


@pytest.fixture
def runs(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Runs:
    runs = Runs(shop)
    monkeypatch.setattr(backfill_module, "run", runs)
    shop.write_log(make_log(3), to="log/span-3")
    return runs


def test_a_backfill_goes_on_where_it_stopped(
    shop: Shop, runs: Runs, command: Command
) -> None:
    call = ("backfill", "-c", shop.config, "--spans", "1..3", "--out", shop.out)
    runs.broken = {"2"}
    code, _, error = command(*call)
    assert (code, runs.spans) == (1, ["1", "2"])
    assert "Trainer failed" in error
    runs.broken = set()
    code, shown, error = command(*call)
    assert (code, runs.spans) == (0, ["1", "2", "2", "3"])
    assert "span 1 was run before" in error
    rows = [line.split() for line in shown.splitlines() if "published" in line]
    assert [row[:3] for row in rows] == [["2", "span", "1"], ["3", "span", "2"]]


def test_a_backfill_leaves_out_what_the_blessed_model_has_seen(
    shop: Shop, runs: Runs
) -> None:
    note(shop, found(shop, "2"))
    summaries = backfill(shop.config, "1..3", out=shop.out)
    assert runs.spans == ["3"]
    assert [s["spans"]["parent"] for s in summaries] == [2]


def test_a_backfill_refuses_a_gap_before_the_first_run(shop: Shop, runs: Runs) -> None:
    with pytest.raises(DataError, match="gap: 4..5 of the spans 1..5 are not there"):
        backfill(shop.config, "1..5", out=shop.out)
    assert not runs.spans


@pytest.mark.parametrize("spans", ["3", "latest"])
def test_a_backfill_needs_a_range(spans: str, shop: Shop) -> None:
    with pytest.raises(ConfigError, match="must be a range"):
        backfill(shop.config, spans, out=shop.out)


def test_a_backfill_needs_a_run_that_goes_by_spans(shop: Shop) -> None:
    shop.write_config(CONFIG)
    with pytest.raises(ConfigError, match="does not go by spans"):
        backfill(shop.config, "1..2", out=shop.out)


def test_the_report_names_span_and_parent() -> None:
    record = finished_run()
    spans = {
        "newest": 8,
        "parent": 7,
        "rows": {"train": 12345},
        "read": {"rest": "7", "newest": "8"},
    }
    page = Page(render(finished_run(summary={**record.summary, "spans": spans})))
    assert "Span 8, trained on from the model of span 7" in page.text
    assert "12,345 rows to learn from" in page.text
    assert "Span 8" not in Page(render(record)).text


def test_a_record_holds_what_the_contract_names(shop: Shop) -> None:
    note(shop, found(shop))
    line = RunPaths(shop.out).spans.read_text().splitlines()[0]
    record = SpanRecord.model_validate_json(line)
    assert (record.span, record.rows, record.state) == (2, 4000, "blessed")
    assert [(r.span, r.part) for r in record.read] == [(1, "whole"), (2, "newest")]
    assert all(len(r.fingerprint) == 64 for r in record.read)
