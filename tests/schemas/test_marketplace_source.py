"""The simulated log as Parquet, and what the truth itself scores on it."""

import logging
import math
import pathlib
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pydantic
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from clickwright.schemas.marketplace import tables
from clickwright.schemas.marketplace.bayes import bayes_metrics, probability_metrics
from clickwright.schemas.marketplace.simulator import PAGE, Marketplace
from clickwright.schemas.marketplace.source import MarketplaceOptions, MarketplaceSource
from clickwright.schemas.marketplace.world import (
    AGE_GROUPS,
    CATEGORIES,
    DEVICES,
    SEGMENTS,
    STYLE_WIDTH,
    VECTOR_WIDTH,
)
from clickwright.schemas.source import PreparedData

SIZE = MarketplaceOptions(impressions=6_004, users=60, items=90, days=4, seed=11)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "ROWS", 2_000)  # so that there are several files
        return MarketplaceSource(SIZE).prepare(None, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def log(prepared: PreparedData) -> pa.Table:
    return pq.read_table(prepared.directory / "all")


def test_the_log_holds_the_spec_columns_in_their_types(log: pa.Table) -> None:
    types = {"int64": pa.int64(), "float32": pa.float32(), "string": pa.string()}
    for name, column in MarketplaceSource.spec().columns().items():
        found = log.schema.field(name).type
        if column.is_list:
            assert pa.types.is_list(found)
            found = found.value_type
        assert found == types[column.dtype]
        assert log[name].null_count == 0
    assert log.schema.field("true_probability").type == pa.float64()
    assert log.schema.field("request").type == pa.int64()
    assert log.schema.field("history_times").type.value_type == pa.int64()


def test_the_spec_names_every_value_and_no_other(log: pa.Table) -> None:
    features = MarketplaceSource.spec().features
    known = {
        "segment": SEGMENTS,
        "age_group": AGE_GROUPS,
        "category": CATEGORIES,
        "device": DEVICES,
    }
    for name, values in known.items():
        feature = features[name]
        assert feature.kind == "categorical"
        assert feature.values == values
        assert set(log[name].to_pylist()) <= set(values)
    position = features["position"]
    assert position.kind == "categorical"
    assert position.vocabulary.kind == "identity"
    assert position.vocabulary.size == PAGE
    vector = features["item_vector"]
    assert vector.kind == "embedding"
    assert vector.width == VECTOR_WIDTH


def test_rows_are_counted_cut_to_size_and_in_the_order_of_time(
    prepared: PreparedData, log: pa.Table
) -> None:
    assert prepared.splits == ("all",)
    assert prepared.rows == {"all": 6_004}
    files = sorted((prepared.directory / "all").iterdir())
    assert [file.name for file in files] == [
        f"part-{number:05d}.parquet" for number in range(len(files))
    ]
    assert len(files) > 1
    assert log.num_rows == 6_004
    place = np.arange(6_004)
    np.testing.assert_array_equal(log["request"].to_numpy(), place // PAGE)
    np.testing.assert_array_equal(log["position"].to_numpy(), place % PAGE)
    time = log["timestamp"].to_numpy()
    assert np.all(np.diff(time) >= 0)
    np.testing.assert_array_equal(time, time[place // PAGE * PAGE])  # one a page


def test_hours_and_weekdays_are_those_of_the_calendar(log: pa.Table) -> None:
    when = log["timestamp"].to_numpy().astype("datetime64[s]").tolist()
    assert log["hour"].to_pylist() == [time.hour for time in when]
    assert log["weekday"].to_pylist() == [time.weekday() for time in when]


def test_the_item_file_explains_the_log(prepared: PreparedData, log: pa.Table) -> None:
    items = pq.read_table(prepared.directory / "items.parquet")
    assert items.schema.field("vector").type == pa.list_(pa.float32(), VECTOR_WIDTH)
    assert items["item"].to_pylist() == list(range(SIZE.items))
    shown = items.take(log["item"])
    for name in ("category", "brand", "price"):
        assert items.schema.field(name).type == log.schema.field(name).type
        assert shown[name].to_pylist() == log[name].to_pylist()
    world = Marketplace(SIZE.users, SIZE.items, SIZE.seed).world
    vectors = np.stack(items["vector"].to_numpy(zero_copy_only=False))
    np.testing.assert_array_equal(vectors, world.vector)
    assert np.linalg.matrix_rank(vectors @ world.style_axes) == STYLE_WIDTH


def test_a_history_names_the_categories_of_its_items(log: pa.Table) -> None:
    category = dict(
        zip(log["item"].to_pylist(), log["category"].to_pylist(), strict=True)
    )
    lengths = set()
    for items, categories, times in zip(
        log["history"].to_pylist(),
        log["history_category"].to_pylist(),
        log["history_times"].to_pylist(),
        strict=True,
    ):
        assert len(items) == len(categories) == len(times) <= 50
        assert all(
            category.get(i, c) == c for i, c in zip(items, categories, strict=True)
        )
        lengths.add(len(items))
    assert 0 in lengths
    assert max(lengths) > 20


def test_no_row_knows_of_a_click_that_came_later(log: pa.Table) -> None:
    rows = log.select(
        ["user", "item", "click", "timestamp", "history", "history_times"]
    )
    start = int(np.min(log["timestamp"].to_numpy())) // 86_400 * 86_400
    clicked: set[tuple[int, int, int]] = set()
    learned = 0
    # In the order of time: whatever a history holds must have been clicked before.
    for row in rows.to_pylist():
        for item, time in zip(row["history"], row["history_times"], strict=True):
            assert time < row["timestamp"]
            if time >= start:
                assert (row["user"], item, time) in clicked
                learned += 1
        if row["click"]:
            clicked.add((row["user"], row["item"], row["timestamp"]))
    assert learned > 1_000


def test_the_same_options_give_the_same_bytes(
    prepared: PreparedData, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "ROWS", 2_000)
    again = MarketplaceSource(SIZE).prepare(None, tmp_path)
    assert again.fingerprint == prepared.fingerprint
    assert again.details == prepared.details
    files = [
        path.relative_to(again.directory)
        for path in again.directory.rglob("*")
        if path.is_file()
    ]
    assert len(files) > 3
    for file in files:
        assert (again.directory / file).read_bytes() == (
            prepared.directory / file
        ).read_bytes()
    other = MarketplaceSource(SIZE.model_copy(update={"seed": 12}))
    assert other.prepare(None, tmp_path).fingerprint != prepared.fingerprint


def test_another_simulator_is_another_log(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = MarketplaceSource(SIZE).raw_fingerprint(None)
    for module in MarketplaceSource.folder().glob("*.py"):
        (tmp_path / module.name).write_bytes(module.read_bytes())
    monkeypatch.setattr(MarketplaceSource, "folder", classmethod(lambda cls: tmp_path))
    assert MarketplaceSource(SIZE).raw_fingerprint(None) == before
    (tmp_path / "truth.py").write_text("# other effects\n")
    assert MarketplaceSource(SIZE).raw_fingerprint(None) != before


def test_progress_counts_up_to_all_rows(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    small = MarketplaceOptions(impressions=1_000, users=10, items=50, days=1)
    with caplog.at_level(logging.INFO, "clickwright.progress"):
        MarketplaceSource(small).prepare(None, tmp_path)
    last = caplog.records[-1]
    assert (last.__dict__["rows"], last.__dict__["total"]) == (1_000, 1_000)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("impressions", 999),
        ("impressions", 20_000_001),
        ("users", 9),
        ("items", 49),
        ("days", 0),
        ("seed", -1),
        ("position", 3),
    ],
)
def test_options_out_of_bounds_are_refused_by_name(name: str, value: int) -> None:
    with pytest.raises(pydantic.ValidationError, match=name):
        MarketplaceOptions.model_validate({name: value})


def test_listing_the_data_set_loads_neither_numpy_nor_arrow() -> None:
    code = (
        "import sys, clickwright.schemas.marketplace.source\n"
        "print({'numpy', 'pyarrow'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_bayes_metrics_are_those_of_the_rows_that_the_time_split_gives(
    prepared: PreparedData, log: pa.Table
) -> None:
    time = log["timestamp"].to_pylist()
    ordered = sorted(time)
    valid_from = ordered[math.floor(0.8 * len(time))]
    test_from = ordered[math.floor(0.9 * len(time))]
    rows = {
        "valid": [i for i, t in enumerate(time) if valid_from <= t < test_from],
        "test": [i for i, t in enumerate(time) if t >= test_from],
    }
    metrics = bayes_metrics(prepared)
    assert set(metrics) == set(rows)
    for split, kept in rows.items():
        part = log.take(kept)
        click, probability = (
            part["click"].to_numpy(),
            part["true_probability"].to_numpy(),
        )
        found = metrics[split]
        assert found["rows"] == len(kept) > 500
        assert found["auc"] == pytest.approx(roc_auc_score(click, probability))
        assert found["logloss"] == pytest.approx(log_loss(click, probability))


def test_the_details_tell_the_click_rate_and_the_bayes_metrics_of_all_rows(
    prepared: PreparedData, log: pa.Table
) -> None:
    click, probability = log["click"].to_numpy(), log["true_probability"].to_numpy()
    assert prepared.details["click_rate"] == pytest.approx(click.mean())
    bayes = prepared.details["bayes"]
    assert bayes["auc"] == pytest.approx(roc_auc_score(click, probability))
    assert bayes["rows"] == 6_004


def test_the_source_answers_for_the_truth(prepared: PreparedData) -> None:
    assert MarketplaceSource(SIZE).bayes_metrics(prepared) == bayes_metrics(prepared)


def test_metrics_agree_with_brute_force_with_ties_and_one_class_users() -> None:
    rng = np.random.default_rng(4)
    click = rng.integers(2, size=300)
    probability = rng.choice([0.1, 0.2, 0.4, 0.7], 300)
    user = rng.integers(1_000, size=40)[rng.integers(40, size=300)]
    click[user == user[0]] = 0
    found = probability_metrics(click, probability, user)
    weighted = rows = 0.0
    for one in set(user.tolist()):
        own = user == one
        if 0 < click[own].sum() < own.sum():
            weighted += own.sum() * roc_auc_score(click[own], probability[own])
            rows += own.sum()
    assert 0 < rows < 300
    rate = click.mean()
    loss = log_loss(click, probability)
    assert found == pytest.approx(
        {
            "auc": roc_auc_score(click, probability),
            "logloss": loss,
            "gauc": weighted / rows,
            "ne": loss / log_loss(click, np.full(300, rate)),
            "pcoc": probability.mean() / rate,
            "rows": 300,
        }
    )


def test_metrics_against_the_truth_are_those_of_all_clicks_that_could_fall() -> None:
    rng = np.random.default_rng(1)
    truth = rng.beta(1, 4, 60)
    score = np.clip((truth + rng.normal(0, 0.1, 60)).round(1), 0.1, 0.9)  # with ties
    user = np.r_[rng.integers(0, 6, 59), 6]  # the last is alone: no pair

    def area(own: np.ndarray) -> float:
        p, s = truth[own], score[own]
        weight = p[:, None] * (1 - p)
        np.fill_diagonal(weight, 0.0)
        wins = (s[:, None] > s) + (s[:, None] == s) / 2
        return float((weight * wins).sum() / weight.sum())

    groups = [user == one for one in range(6)]
    loss = -np.mean(truth * np.log(score) + (1 - truth) * np.log(1 - score))
    found = probability_metrics(truth, score, user)
    assert found["auc"] == pytest.approx(area(np.ones(60, bool)))
    assert found["gauc"] == pytest.approx(
        np.average([area(own) for own in groups], weights=[g.sum() for g in groups])
    )
    assert found["logloss"] == pytest.approx(loss)
    assert found["pcoc"] == pytest.approx(score.mean() / truth.mean())


def test_metrics_of_one_class_are_not_numbers() -> None:
    none = probability_metrics(np.zeros(4, int), np.full(4, 0.25), np.arange(4))
    assert none["logloss"] == pytest.approx(-math.log(0.75))
    assert all(math.isnan(none[name]) for name in ("auc", "gauc", "ne", "pcoc"))


def test_the_default_shop_is_neither_too_easy_nor_too_hard(
    tmp_path: pathlib.Path,
) -> None:
    prepared = MarketplaceSource(MarketplaceOptions(impressions=50_000)).prepare(
        None, tmp_path
    )
    assert 0.05 < prepared.details["click_rate"] < 0.15
    assert 0.75 < prepared.details["bayes"]["auc"] < 0.80
    assert abs(bayes_metrics(prepared)["test"]["pcoc"] - 1) < 0.1
