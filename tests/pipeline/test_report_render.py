import json
import math
import os
import pathlib
import re
from typing import Any

import plotly.graph_objects as go
import pytest
from report_page import Page, figures, table
from report_record import (
    HOSTILE,
    empty_run,
    evaluation,
    failed_run,
    finished_run,
    metrics,
)

from clickwright.components.evaluation.result import (
    CalibrationBin,
    EvaluationResult,
    SliceMetrics,
    SplitResult,
)
from clickwright.pipeline.report.anomalies import AnomalyRecord, DataCheck
from clickwright.pipeline.report.learning_curve import EpochRecord
from clickwright.pipeline.report.record import NodeRecord, RunRecord
from clickwright.pipeline.report.render import render, write_report
from clickwright.pipeline.report.statistics import (
    FeatureStatistics,
    SplitStatistics,
    ValueSummary,
)
from clickwright.schemas.errors import MachineError


@pytest.fixture(scope="module")
def finished() -> Page:
    return Page(render(finished_run()))


def test_the_verdict_comes_first(finished: Page) -> None:
    verdict = finished.text.split("Configuration", 1)[1].split("Arrows that follow")[0]
    assert verdict.split()[:3] == ["Blessed", "and", "published"]
    assert "out/demo/serving/deepfm/1773480413" in verdict
    assert "0.7874" in verdict
    assert "−0.0077" in verdict  # 0.7874 - 0.7951, below Bayes
    assert "+0.0025" in verdict  # 0.7874 - 0.7849, above the blessed model
    assert "better: blessed 0.7849" in verdict


def test_the_metrics_table_shows_the_evaluation(finished: Page) -> None:
    rows = {row[0]: row[1:] for row in table(finished, "Metrics of this model")}

    assert rows["AUC"] == [
        "0.7881",
        "0.7874",
        "0.7849",
        "+0.0025▲better",
        "0.7951",
        "−0.0077",
    ]
    # 0.61 - auc / 3 for each; Bayes 0.3391.
    assert rows["Log loss"] == [
        "0.3473",
        "0.3475",
        "0.3484",
        "−0.0008▼better",
        "0.3391",
        "+0.0084",
    ]
    assert rows["PCOC"] == ["1.0123", "1.0123", "1.0123", "+0.0000same", "–", "–"]
    assert rows["Rows"][:3] == ["100,000", "100,000", "100,000"]


def test_every_node_has_its_state_rows_and_seconds(finished: Page) -> None:
    words = " ".join(finished.text.split())
    assert "Transform complete · 1,000,000 rows after LogExampleGen" in words
    assert "PreviousStatistics complete · Resolver starts by itself 0.1 s" in words
    assert "Trainer complete · 1,000,000 rows" in words
    assert "3 min 08 s" in words


def test_slices_are_listed_with_their_metrics(finished: Page) -> None:
    rows = table(finished, "device")

    assert [row[0] for row in rows] == [
        "Slice",
        "mobile",
        "desktop",
        "tablet",
        "fridge",
    ]
    assert rows[1][:4] == ["mobile", "61,210", "0.7874", "0.7564"]
    assert rows[4][:4] == ["fridge", "3", "–", "–"]


def test_calibration_bins_without_rows_are_left_out(finished: Page) -> None:
    (data,) = [figures(finished)["calibration"]["data"]]

    assert [len(t["x"]) for t in data] == [2, 15, 15, 15]
    bars = data[-1]
    areas = [h * w for h, w in zip(bars["y"], bars["width"], strict=True)]
    assert sum(areas) == pytest.approx(1)


def test_learning_curves_are_the_log(finished: Page) -> None:
    record = finished_run()
    drawn = figures(finished)

    training, valid = drawn["learning/Loss"]["data"]
    assert training["x"] == list(range(1, 16))
    assert training["y"] == [r.loss for r in record.learning_curve]
    assert valid["y"] == [r.valid_logloss for r in record.learning_curve]
    auc, bayes = drawn["learning/Valid AUC"]["data"]
    assert auc["y"] == [r.valid_auc for r in record.learning_curve]
    assert bayes["y"] == [0.7962, 0.7962]


def test_every_column_has_statistics_and_a_chart(finished: Page) -> None:
    rows = {r[0]: r[1:] for r in table(finished, "Columns of the data")[1:]}

    assert len(rows) == 12
    assert rows["brand"][:3] == ["string", "0.25% · 0.25% · 0.25%", "912"]
    assert rows["history"][0] == "list of string"
    # 40% of 12 values a row
    assert rows["history"][3].startswith("h00000 3.33%")
    assert [k for k in figures(finished) if k.startswith("feature/")] == [
        f"feature/{i}" for i in range(12)
    ]


def test_lineage_and_configuration_are_complete(finished: Page) -> None:
    record = finished_run()
    rows = table(finished, "Artifacts in ML Metadata")[1:]

    assert [(row[0], row[1], row[2], row[5]) for row in rows] == [
        (str(a.id), a.type, a.producer, a.uri) for a in record.lineage
    ]
    assert record.config_sha256 in finished.text
    assert record.config_yaml in finished.text
    assert '"model": "deepfm"' in finished.text
    assert "tensorflow2.21.0" in finished.text.replace(" ", "")


def test_drift_above_its_bound_is_marked(finished: Page) -> None:
    rows = table(finished, "Drift against")[1:]

    assert rows[0][:6] == [
        "price",
        "drift",
        "train",
        "Jensen-Shannon divergence",
        "0.0312",
        "0.0300",
    ]
    gauges = [a["class"] for t, a in finished.tags if "gauge" in (a.get("class") or "")]
    assert gauges == ["gauge over", "gauge", "gauge"]


def test_plotly_knows_every_property_of_every_figure(finished: Page) -> None:
    content = json.loads(finished.scripts[0])
    for figure in [
        *content["figures"].values(),
        {"layout": content["template"]["layout"]},
    ]:
        plain = json.loads(re.sub(r"var\(--\w+\)", "red", json.dumps(figure)))
        go.Figure(plain)  # raises ValueError for what Plotly does not know


def test_hostile_values_stay_text() -> None:
    hostile_slices = (
        SliceMetrics(((HOSTILE, HOSTILE),), metrics(0.7, 10)),
        SliceMetrics(((HOSTILE, "x"),), metrics(0.7, 10)),
    )
    statistics = SplitStatistics(
        10,
        {
            HOSTILE: FeatureStatistics(
                HOSTILE, "string", 10, 0, values=ValueSummary(1, 10, {HOSTILE: 10.0})
            )
        },
    )
    record = finished_run(
        pipeline=HOSTILE,
        run_id=HOSTILE,
        model=HOSTILE,
        version=HOSTILE,
        published=HOSTILE,
        failures=(HOSTILE,),
        error=HOSTILE,
        config_yaml=HOSTILE,
        nodes=(NodeRecord(HOSTILE, HOSTILE, "failed", 1.0, 1),),
        statistics={"train": statistics},
        data_check=DataCheck((AnomalyRecord(HOSTILE, HOSTILE, HOSTILE, HOSTILE),)),
        evaluation=EvaluationResult(
            {"test": SplitResult(metrics(0.7, 10), hostile_slices, ())},
            False,
            (HOSTILE,),
        ),
        versions={HOSTILE: HOSTILE},
        summary={HOSTILE: HOSTILE},
    )

    text = render(record)
    page = Page(text)

    assert len(page.scripts) == 3  # the data, Plotly, our own
    assert "<script>document" not in text
    assert "<b>&amp;amp;" not in text
    assert HOSTILE in page.text
    slices = figures(page)["slices/0/auc"]["data"][0]["text"]
    assert slices[0].startswith("&lt;/script&gt;&lt;script&gt;")


def test_numbers_that_are_none_read_as_a_dash_and_null() -> None:
    nan = dict.fromkeys(metrics(0.5, 1), math.nan)
    record = finished_run(
        evaluation=EvaluationResult(
            {
                "test": SplitResult(
                    nan,
                    (SliceMetrics((("a", "b"),), nan),),
                    (CalibrationBin(0, 1, 5.0, math.nan, math.nan),),
                )
            },
            False,
            baseline=nan,
        ),
        learning_curve=(EpochRecord(1, 1, loss=math.nan, valid_auc=0.5),),
        bayes={"test": {"auc": math.nan}},
    )

    page = Page(render(record))

    assert figures(page)["slices/0/auc"]["data"][0]["x"] == [None]
    rows = {row[0]: row[1:] for row in table(page, "Metrics of this model")}
    assert rows["AUC"] == ["–"] * 6


def test_a_failed_run_tells_its_error_first() -> None:
    page = Page(render(failed_run()))

    assert "The run failed in DataValidator" in page.text
    assert "column `price` is missing in split `test`" in page.text
    assert "out/demo/logs/2026-03-14T09-26-53.log" in page.text
    assert page.text.count("not run") == 1 + 2 * 8  # the key, drawing and list
    assert "The model was not evaluated." in page.text
    assert "No training log" in page.text


def test_an_empty_run_says_what_is_missing() -> None:
    page = Page(render(empty_run()))

    for sentence in (
        "Not evaluated",
        "No node was reached.",
        "The model was not evaluated.",
        "No training log",
        "The statistics of the data were not computed.",
        "The data were not checked against their schema.",
        "No artifact is recorded.",
    ):
        assert sentence in page.text
    assert figures(page) == {}
    assert not [a for tag, a in page.tags if a.get("class") == "chart"]


def test_without_bayes_and_blessed_model_the_table_says_so() -> None:
    found = evaluation()
    page = Page(
        render(
            finished_run(
                bayes=None,
                evaluation=EvaluationResult(found.splits, True),
            )
        )
    )

    (header, *_) = table(page, "Metrics of this model")
    assert header == ["Metric", "Valid", "Test"]
    assert "There is no blessed model to compare with yet." in page.text
    assert "the true click probability of these data is not known" in page.text


def test_a_baseline_that_could_not_be_measured_is_explained() -> None:
    found = evaluation()
    result = EvaluationResult(
        found.splits, True, baseline_problem="its signature is gone."
    )

    page = Page(render(finished_run(evaluation=result)))

    assert "No comparison with the blessed model: its signature is gone." in page.text


@pytest.mark.parametrize(
    ("changes", "headline"),
    [
        ({"published": None}, "Blessed, not published"),
        (
            {"blessed": False, "published": None, "failures": ("AUC 0.6 < 0.7",)},
            "Not blessed",
        ),
        ({"evaluation": None, "blessed": False, "published": None}, "Not evaluated"),
    ],
)
def test_the_headline_says_what_became_of_the_model(
    changes: dict[str, Any], headline: str
) -> None:
    record: RunRecord = finished_run(**changes)

    text = Page(render(record)).text

    assert headline in text
    for failure in record.failures:
        assert failure in text


def test_the_page_may_load_nothing(finished: Page) -> None:
    (policy,) = [
        a["content"] for t, a in finished.tags if t == "meta" and "http-equiv" in a
    ]
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "http" not in policy
    for _, attributes in finished.tags:
        for name in ("src", "href"):
            link = attributes.get(name)
            assert link is None or link.startswith(("#", "data:,"))


def test_the_page_states_its_own_size(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "deep" / "report.html"

    size = write_report(finished_run(), path)

    assert size == path.stat().st_size
    assert f"This file is {size / 1e6:.1f} MB" in path.read_text("utf-8")


def test_a_folder_that_is_a_file_is_refused_by_name(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(
        MachineError, match=r"file/report\.html: The file cannot be written"
    ):
        write_report(empty_run(), tmp_path / "file" / "report.html")


def test_a_full_disk_leaves_the_old_report(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MachineError, match="No space is left on the disk"):
        write_report(empty_run(), path)

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_retrieval_model_is_shown_by_what_it_finds() -> None:
    def split(value: float) -> SplitResult:
        names = ("hr@10", "ndcg@10", "mrr@10", "recall@20")
        found = {name: value + n / 100 for n, name in enumerate(names)}
        return SplitResult({**found, "queries": 22_363.0, "rows": 22_363.0}, (), ())

    splits = {"valid": split(0.05), "test": split(0.04)}
    judged = EvaluationResult(splits, True, baseline=split(0.03).overall)
    page = Page(render(finished_run(evaluation=judged, bayes=None)))
    rows = {row[0]: row[1:] for row in table(page, "Metrics of this model")}
    assert rows["NDCG@10"][:3] == ["0.0600", "0.0500", "0.0400"]
    assert rows["Recall@20"][3] == "+0.0100▲better"
    assert "AUC" not in rows
    verdict = page.text.split("Configuration", 1)[1].split("Arrows that follow")[0]
    assert "Test HR@10" in verdict and "22,363" in verdict
