"""Boards: published figures beside ours, on a tiny data set."""

import dataclasses
import json
import pathlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import roc_auc_score
from tiny_shop import Command

from clickwright.models.metrics.auc import area_under_roc
from clickwright.models.published.published_board import PublishedBoard
from clickwright.models.training.checkpoint import Checkpoint, State
from clickwright.pipeline.bench import bars, document, training
from clickwright.pipeline.bench.board_data import BoardData
from clickwright.pipeline.bench.curves_svg import curves_svg
from clickwright.pipeline.bench.records import (
    BoardRecord,
    BoardRow,
    CurvePoint,
    Machine,
    TrialResult,
)
from clickwright.pipeline.bench.rows import board_rows
from clickwright.pipeline.bench.trial import Trial, protocol
from clickwright.schemas import strict_yaml
from clickwright.schemas.errors import ConfigError, DataError
from clickwright.schemas.html_page import formats
from clickwright.schemas.source import Source
from clickwright.schemas.spec import SPLITS, FeatureSpec

ROOT = pathlib.Path(__file__).resolve().parents[2]
BOARD: dict[str, Any] = {
    "name": "tiny_x1",
    "title": "A tiny log of two ids",
    "dataset": "tiny",
    "train_notes": {"train.parquet": "Nothing here is real."},
    "training": {"epochs": 2, "batch_size": 64},
    "runs": {
        "logistic_regression": {
            "model": "logistic_regression",
            "published": {
                "source": "a paper",
                "auc": 0.6,
                "auc_mean": 0.61,
                "auc_std": 0.01,
                "runs": 5,
                "logloss": 0.7,
                "parameters": 20,
                "table_rows": 19,
            },
            "required_auc": 0.1,
        },
        "small": {
            "model": "deepfm",
            "params": {"hidden_units": [4], "embedding_dim": 2},
            "min_count": 2,
            "at_least": "logistic_regression",
            "note": "Made up.",
        },
    },
}
MACHINE = Machine(
    python="3.11.1",
    packages={"keras": "3.15.0"},
    processor="A processor",
    cores=2,
    memory_gib=8.0,
    accelerator=None,
)


class TinySource(Source):
    """Two ids, and clicks that depend on one of them."""

    name = "tiny"

    @classmethod
    def spec(cls) -> FeatureSpec:
        return FeatureSpec.model_validate_json(
            json.dumps(
                {
                    "name": "tiny",
                    "labels": {"click": {"column": "label"}},
                    "split": {"kind": "given"},
                    "features": {
                        n: {"kind": "categorical", "role": "user", "dtype": "int64"}
                        for n in ("user", "item")
                    },
                }
            )
        )

    def raw_fingerprint(self, raw: pathlib.Path | None) -> str:
        return "tiny"

    def write(
        self, raw: pathlib.Path | None, directory: pathlib.Path
    ) -> tuple[dict[str, int], dict[str, Any]]:
        rng = np.random.default_rng(7)
        for split in SPLITS:
            user, item = rng.integers(10, 16, 256), rng.integers(100, 110, 256)
            if split == "train":
                item[0] = 999  # once only
            label = (rng.random(256) < 0.2 + 0.1 * (user - 10)).astype(np.int64)
            (directory / split).mkdir()
            pq.write_table(
                pa.table({"label": label, "user": user, "item": item}),
                directory / split / "part-0.parquet",
            )
        return dict.fromkeys(SPLITS, 256), {"train_file": "train.parquet"}


def parse(content: Mapping[str, Any] = BOARD) -> PublishedBoard:
    return strict_yaml.parse(PublishedBoard, content, "test")


@pytest.fixture
def tiny_board(monkeypatch: pytest.MonkeyPatch) -> PublishedBoard:
    board = parse()
    monkeypatch.setattr(bars, "load_board", lambda name, where="": board)
    monkeypatch.setattr(bars, "source_class", lambda name: TinySource)
    return board


def result(key: str, seed: int, auc: float, **other: Any) -> TrialResult:
    point = CurvePoint(
        epoch=1,
        seconds=2.0,
        loss=0.6,
        valid_auc=auc,
        valid_logloss=0.5,
        learning_rate=1e-3,
        examples_per_second=1000.0,
    )
    later = point.model_copy(update={"epoch": 2, "learning_rate": 1e-4})
    content = {
        "key": key,
        "seed": seed,
        "digest": "0",
        "model": "logistic_regression",
        "params": {},
        "training": {},
        "min_count": 1,
        "train_file": "train.parquet",
        "table_rows": 21,
        "row_width": 1,
        "parameters": 22,
        "test_auc": auc,
        "test_logloss": 0.5,
        "examples_per_second": 1000.0,
        "seconds": 2.0,
        "peak_memory_bytes": 1_500_000,
        "curve": (point, later),
        "machine": MACHINE,
    }
    return TrialResult.model_validate(content | other)


def rows_of(**aucs: list[float]) -> dict[str, BoardRow]:
    board = parse()
    trials = {key: Trial.of(board, key, 0, "data") for key in board.runs}
    results = {
        key: [result(key, seed, auc) for seed, auc in enumerate(found)]
        for key, found in aucs.items()
    }
    return {row.key: row for row in board_rows(board, trials, results, [MACHINE])}


def record_of(**aucs: list[float]) -> BoardRecord:
    return BoardRecord(
        name="tiny_x1",
        title="A tiny log of two ids",
        data="tiny",
        train_file="train.parquet",
        train_note="Nothing here is real.",
        fingerprint="0123",
        training={"batch_size": 64},
        machines=(MACHINE,),
        rows=tuple(rows_of(**aucs).values()),
    )


@pytest.mark.parametrize("min_count", [1, 2])
def test_ids_follow_the_training_split_alone(
    min_count: int, tmp_path: pathlib.Path
) -> None:
    data = BoardData(TinySource(), None, tmp_path)
    rows = data.rows(min_count)

    read = {
        split: pq.read_table(next(tmp_path.rglob(f"{split}/*.parquet")))
        for split in SPLITS
    }
    for i in rows.inputs:
        train = read["train"][i.name].to_pylist()
        known = sorted(v for v in set(train) if train.count(v) >= min_count)
        assert i.rows == len(known) + 2
        for split in SPLITS:
            expected = [
                known.index(v) + 1 if v in known else len(known) + 1
                for v in read[split][i.name].to_pylist()
            ]
            batch = next(getattr(rows, split).batches(256))
            assert batch.features[i.name].tolist() == expected
            assert batch.labels.tolist() == read[split]["label"].to_pylist()
    assert rows.table_rows == sum(i.rows or 0 for i in rows.inputs)
    assert data.train_file == "train.parquet"


def test_a_rare_value_shares_the_last_row(tmp_path: pathlib.Path) -> None:
    data = BoardData(TinySource(), None, tmp_path)

    rare = next(data.rows(2).train.batches(1)).features["item"]
    item = data.rows(2).inputs[1]

    assert item.rows is not None
    assert rare.tolist() == [item.rows - 1]
    assert data.rows(1).inputs[1].rows == item.rows + 1


def test_a_board_is_trained_once(
    tiny_board: PublishedBoard,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    bars.run_board("tiny_x1", models=["small"], out=tmp_path)
    plain = ["logistic_regression"]
    first = bars.run_board("tiny_x1", models=plain, seeds=2, out=tmp_path)
    shown = capfd.readouterr().err
    assert shown.count("✓ logistic_regression · seed") == 2
    assert shown.count("✓ small · seed") == 1
    assert "2 of 2" in shown

    monkeypatch.setattr(bars, "_train", None)  # nothing is left to train
    again = bars.run_board("tiny_x1", models=plain, seeds=2, out=tmp_path)
    assert capfd.readouterr().err.count("cached") == 2

    assert again.record == first.record
    row, small = again.record.rows
    assert row.seeds == (0, 1)
    assert row.auc_std is not None
    assert row.auc_std > 0
    assert len(row.curves[0]) == 2
    # 6 users and 11 items, two more rows each, and the bias.
    assert row.parameters == 6 + 2 + 11 + 2 + 1
    assert row.expected_parameters == 20 + (21 - 19)
    # Without the item that occurs once: 20 rows of 2 + 1, a tower of 4 with batch
    # normalization, a head.
    assert small.parameters == 20 * 3 + (4 * 4 + 4 + 8) + 5
    assert small.settings == {
        "hidden_units": [4],
        "embedding_dim": 2,
        "min_count": 2,
    }
    files = sorted(p.name[:6] for p in (tmp_path / "results").rglob("*.json"))
    assert files == ["seed-0", "seed-0", "seed-1"]


def test_figures_are_those_of_the_test_split(
    tiny_board: PublishedBoard, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def spied(labels: Any, scores: Any, weights: Any) -> float:
        seen.append((labels, scores))
        return area_under_roc(labels, scores, weights)

    monkeypatch.setattr(training, "area_under_roc", spied)
    outcome = bars.run_board("tiny_x1", models=["logistic_regression"], out=tmp_path)

    row = outcome.record.rows[0]
    test = pq.read_table(next((tmp_path / "data").rglob("test/*.parquet")))
    ((labels, scores),) = seen
    assert labels.tolist() == test["label"].to_pylist()
    assert row.auc == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert row.logloss == pytest.approx(
        sklearn_log_loss(labels, scores.astype(np.float64)), abs=1e-9
    )
    assert outcome.record.rows[1].seeds == ()


def test_other_settings_are_trained_anew(
    tiny_board: PublishedBoard,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bars.run_board("tiny_x1", models=["logistic_regression"], out=tmp_path)
    longer = parse({**BOARD, "training": {"epochs": 3, "batch_size": 64}})
    monkeypatch.setattr(bars, "load_board", lambda name, where="": longer)

    outcome = bars.run_board("tiny_x1", models=["logistic_regression"], out=tmp_path)

    assert outcome.record.rows[0].epochs == 3
    assert len(list((tmp_path / "results").rglob("*.json"))) == 2


def test_options_that_are_off_leave_results_valid() -> None:
    board = parse()
    trial = Trial.of(board, "small", 0, "data")
    changed = parse({**BOARD, "training": {**BOARD["training"], "early_stop": 5}})

    assert "max_train_rows" not in protocol(trial.training)
    assert Trial.of(board, "small", 3, "data").digest == trial.digest
    assert Trial.of(board, "small", 0, "other").digest != trial.digest
    assert Trial.of(changed, "small", 0, "data").digest != trial.digest
    other = dataclasses.replace(trial, min_count=1)
    assert other.digest != trial.digest


def test_fresh_trains_again(tiny_board: PublishedBoard, tmp_path: pathlib.Path) -> None:
    names = ["logistic_regression"]
    bars.run_board("tiny_x1", models=names, out=tmp_path)
    file = next((tmp_path / "results").rglob("*.json"))
    file.write_text(file.read_text().replace('"seed": 0', '"seed": 77'))
    stale = bars.run_board("tiny_x1", models=names, out=tmp_path)
    fresh = bars.run_board("tiny_x1", models=names, out=tmp_path, fresh=True)

    assert stale.record.rows[0].seeds == (77,)
    assert fresh.record.rows[0].seeds == (0,)


def test_a_killed_board_goes_on(
    tiny_board: PublishedBoard,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ["logistic_regression"]
    whole = bars.run_board("tiny_x1", models=names, out=tmp_path / "whole")
    save = Checkpoint.save

    def killed(self: Checkpoint, state: State) -> None:
        save(self, state)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            bars.run_board("tiny_x1", models=names, out=tmp_path / "cut")
    states = list((tmp_path / "cut" / "checkpoints").iterdir())
    assert len(states) == 1
    resumed = bars.run_board("tiny_x1", models=names, out=tmp_path / "cut")

    assert resumed.record.rows[0].auc == whole.record.rows[0].auc
    assert len(resumed.record.rows[0].curves[0]) == 2
    assert not states[0].exists()


def test_one_failure_does_not_cost_the_other_runs(
    tiny_board: PublishedBoard,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train = bars._train

    def broken(trial: Trial, *rest: Any) -> TrialResult:
        if trial.seed == 0:
            raise RuntimeError("a defect")
        return train(trial, *rest)

    monkeypatch.setattr(bars, "_train", broken)
    outcome = bars.run_board(
        "tiny_x1", models=["logistic_regression"], seeds=2, out=tmp_path
    )

    assert list(outcome.failures) == ["logistic_regression, seed 0"]
    assert "a defect" in outcome.failures["logistic_regression, seed 0"]
    assert "Traceback" in (tmp_path / "log.txt").read_text()
    assert outcome.record.rows[0].seeds == (1,)
    assert not outcome.good


def test_a_damaged_result_is_named(
    tiny_board: PublishedBoard, tmp_path: pathlib.Path
) -> None:
    bars.run_board("tiny_x1", models=["logistic_regression"], out=tmp_path)
    file = next((tmp_path / "results").rglob("*.json"))
    file.write_text(file.read_text()[:100])

    with pytest.raises(DataError, match=re.escape(str(file))):
        bars.run_board("tiny_x1", models=["logistic_regression"], out=tmp_path)


def test_ours_stand_beside_the_published_mean() -> None:
    row = rows_of(logistic_regression=[0.60, 0.64])["logistic_regression"]

    assert row.auc == pytest.approx(0.62)
    assert row.auc_std == pytest.approx(0.02)  # of the population, as published
    assert row.difference == pytest.approx(0.01)
    assert row.state == "met"


@pytest.mark.parametrize(
    ("aucs", "state"),
    [
        ({"small": [0.7], "logistic_regression": [0.6]}, "met"),
        ({"small": [0.5], "logistic_regression": [0.6]}, "missed"),
        ({"small": [0.5]}, "open"),
        ({"logistic_regression": [0.6]}, "open"),
    ],
)
def test_a_run_is_held_to_another(aucs: dict[str, list[float]], state: str) -> None:
    assert rows_of(**aucs)["small"].state == state


def test_the_document_says_what_the_json_says(tmp_path: pathlib.Path) -> None:
    record = record_of(logistic_regression=[0.09, 0.05])
    path = document.write_document(record, tmp_path)

    stored = json.loads((tmp_path / "tiny_x1.json").read_text())
    assert (
        BoardRecord.model_validate(json.loads((tmp_path / "tiny_x1.json").read_text()))
        == record
    )
    text = path.read_text()
    tables = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    head = tables[0]
    lines = {cells[0]: dict(zip(head, cells, strict=True)) for cells in tables[2:4]}
    sizes = {cells[0]: cells for cells in tables if len(cells) == 5}
    assert set(lines) == {row["key"] for row in stored["rows"]}
    for row in stored["rows"]:
        line = lines[row["key"]]
        assert line["difference"] == formats.signed(row["difference"])
        assert line["log loss published"] == formats.metric(row["published_logloss"])
        assert line["log loss ours"] == formats.metric(row["logloss"])
        assert line["examples/s"] == formats.count(row["examples_per_second"])
        assert sizes[row["key"]][1:4] == [
            formats.count(row["published_parameters"]),
            formats.count(row["expected_parameters"]),
            formats.count(row["parameters"]),
        ]
    assert lines["logistic_regression"]["AUC ours"] == "0.0700 ± 0.0200"
    assert lines["logistic_regression"]["AUC published"] == "0.6100 ± 0.0100"
    assert lines["small"]["AUC ours"] == "not run"
    assert "**missed**" in text
    assert "Nothing here is real." in text
    assert str(tmp_path) not in text
    assert "tiny_x1_curves.svg" in text
    assert (tmp_path / "tiny_x1_curves.svg").exists()


@pytest.mark.parametrize(
    "figures", sorted((ROOT / "docs/benchmarks").glob("*_x?.json"))
)
def test_the_documents_of_the_repository_are_what_their_figures_give(
    figures: pathlib.Path,
) -> None:
    record = BoardRecord.model_validate_json(figures.read_text())

    assert figures.with_suffix(".md").read_text() == document.render(record)
    curves = figures.with_name(f"{figures.stem}_curves.svg")
    assert curves.read_text() == curves_svg(record.rows)


def test_curves_are_drawn_for_both_schemes() -> None:
    rows = record_of(logistic_regression=[0.6, 0.7], small=[0.65]).rows
    svg = curves_svg(rows)
    root = ET.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"

    lines = root.findall(f"{space}polyline")
    assert len(lines) == 3  # two seeds and one
    low, high = (
        float(p.split(",")[1])
        for p in (
            lines[0].attrib["points"].split()[0],
            lines[1].attrib["points"].split()[0],
        )
    )
    assert low > high  # 0.7 stands above 0.6
    falls = [p for p in root.findall(f"{space}path") if p.attrib["class"] == "fall"]
    assert len(falls) == 2  # one a run, of its first seed
    names = [
        t.text for t in root.findall(f"{space}text") if "name" in t.attrib["class"]
    ]
    assert names == ["logistic_regression", "small"]
    assert "prefers-color-scheme: dark" in svg


def test_a_board_without_results_still_has_a_document() -> None:
    record = record_of().model_copy(update={"machines": ()})
    text = document.render(record)

    assert "0 of 2 runs were trained" in text
    assert "Nothing was trained yet." in text
    assert "Nothing was trained yet." in curves_svg(record.rows)


def test_runs_are_chosen_by_model_or_key() -> None:
    board = parse()

    assert bars.select(board, []) == ("logistic_regression", "small")
    assert bars.select(board, ["deepfm"]) == ("small",)
    assert bars.select(board, ["small"]) == ("small",)
    with pytest.raises(ConfigError, match="Did you mean `deepfm`"):
        bars.select(board, ["deepfmm"])


def test_a_missed_figure_ends_with_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, command: Command
) -> None:
    for aucs, expected in (([0.09], 1), ([0.5], 0)):
        outcome = bars.BoardOutcome(
            record_of(logistic_regression=aucs), tmp_path / "tiny_x1.md", {}
        )
        monkeypatch.setattr(bars, "run_board", lambda *a, _o=outcome, **k: _o)

        code, out, _ = command("bench", "bars")

        assert code == expected
        assert ("✗ missed" in out) == bool(expected)
        assert "not run" in out
        assert "0.6100 ± 0.0100" in out


def test_an_unknown_board_or_model_is_refused(command: Command) -> None:
    code, _, shown = command("bench", "bars", "--dataset", "frape_x1")
    assert code == 1
    assert "Did you mean `frappe_x1`?" in shown

    code, _, shown = command("bench", "bars", "--models", "deepfn")
    assert code == 1
    assert "Did you mean `deepfm`?" in shown


def test_a_board_of_figures_alone_is_refused(command: Command) -> None:
    code, _, shown = command("bench", "bars", "--dataset", "criteo_x4")

    assert code == 1
    assert "no data come with it" in shown


def test_absent_data_are_told_how_to_get(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.chdir(tmp_path)

    code, _, shown = command("bench", "bars", "--models", "logistic_regression")

    assert code == 1
    assert "clickwright data get frappe" in shown


def test_an_output_folder_that_cannot_be_made_is_told(
    command: Command, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "file").touch()

    code, _, shown = command("bench", "bars", "--out", tmp_path / "file" / "out")

    assert code == 1
    assert "cannot be written" in shown


def test_the_help_teaches(command: Command) -> None:
    code, out, _ = command("bench", "bars", "--help")

    assert code == 0
    assert "clickwright data get frappe" in out
    assert "Run it again to resume" in out
