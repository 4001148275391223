"""The report in headless Chromium: drawn, readable, and silent."""

import pathlib

import pytest
from numeric_report import ENCODINGS, numeric_report
from report_browser import PHONE, WIDE, Opened
from report_record import HOSTILE, empty_run, failed_run, finished_run
from selenium import webdriver

from clickwright.pipeline.report.record import RunRecord
from clickwright.pipeline.report.render import write_report


def opened(
    browser: webdriver.Chrome,
    record: RunRecord,
    folder: pathlib.Path,
    size: tuple[int, int],
    scheme: str = "light",
) -> Opened:
    path = folder / "report.html"
    write_report(record, path)
    return Opened(browser, path, size, scheme)


@pytest.mark.parametrize(
    ("size", "scheme"),
    [(WIDE, "light"), (WIDE, "dark"), (PHONE, "light")],
    ids=["wide", "wide-dark", "phone"],
)
def test_every_chart_is_drawn_and_fits(
    browser: webdriver.Chrome,
    tmp_path: pathlib.Path,
    size: tuple[int, int],
    scheme: str,
) -> None:
    page = opened(browser, finished_run(), tmp_path, size, scheme)

    page.check()
    assert [c["id"] for c in page.charts()] == [
        "chart-comparison",
        "chart-slices",
        "chart-calibration",
        "chart-learning-0",
        "chart-learning-1",
        "chart-learning-2",
        "chart-learning-3",
        "chart-feature",
    ]


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("record", [failed_run(), empty_run()], ids=["failed", "empty"])
def test_a_run_that_ended_early_has_a_whole_page(
    browser: webdriver.Chrome,
    tmp_path: pathlib.Path,
    size: tuple[int, int],
    record: RunRecord,
) -> None:
    opened(browser, record, tmp_path, size).check()


def test_every_slice_and_column_can_be_chosen(
    browser: webdriver.Chrome, tmp_path: pathlib.Path
) -> None:
    page = opened(browser, finished_run(), tmp_path, PHONE)

    for group in range(3):
        for metric in range(6):
            page.pick("chart-slices", group, metric)
            page.check()
    for column in range(12):
        page.pick("chart-feature", column)
        page.check()


def test_the_chosen_slices_are_the_ones_drawn(
    browser: webdriver.Chrome, tmp_path: pathlib.Path
) -> None:
    page = opened(browser, finished_run(), tmp_path, WIDE)

    page.pick("chart-slices", 1, 2)  # device, log loss

    drawn = page.ask("return document.getElementById('chart-slices').data")
    assert drawn[0]["name"] == "Log loss"
    assert drawn[0]["text"] == ["mobile", "desktop", "tablet", "fridge"]
    # 0.61 - auc / 3, with an AUC of 0.7874, 0.7854 and 0.7834; none for the fridge.
    assert drawn[0]["x"][:3] == pytest.approx([0.347533, 0.3482, 0.348867], abs=1e-6)
    assert drawn[1]["x"] == [61210, 30422, 8368, 3]


def test_charts_follow_the_color_scheme(
    browser: webdriver.Chrome, tmp_path: pathlib.Path
) -> None:
    ink = """
    return getComputedStyle(
      document.querySelector('#chart-calibration .xtick text')).fill
    """
    page = opened(browser, finished_run(), tmp_path, WIDE, "light")
    light = page.ask(ink)

    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": "dark"}]},
    )

    page.wait(f"{ink.strip()} !== {light!r}")
    assert light == "rgb(23, 26, 33)"
    assert page.ask(ink) == "rgb(233, 235, 241)"
    page.check()


def test_page_and_charts_follow_the_width_of_the_window(
    browser: webdriver.Chrome, tmp_path: pathlib.Path
) -> None:
    seen = """
    return ['.drawing', '.steps'].map(
      (s) => document.querySelector(s).checkVisibility())
    """
    cut = """
    return Array.from(document.querySelectorAll('.node *'))
      .filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.textContent)
    """
    page = opened(browser, finished_run(), tmp_path, WIDE)
    assert page.ask(seen) == [True, True]
    assert page.ask(cut) == []

    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 375, "height": 812, "deviceScaleFactor": 1, "mobile": False},
    )

    page.wait(
        "return Array.from(document.querySelectorAll('.chart .main-svg'))"
        ".every((c) => c.getBoundingClientRect().width < 375)"
    )
    page.check()
    assert page.ask(seen) == [False, True]  # a list stands in for the drawing


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_every_numeric_field_shows_the_charts_that_it_has(
    browser: webdriver.Chrome, tmp_path: pathlib.Path, size: tuple[int, int]
) -> None:
    page = opened(browser, finished_run(numerics=numeric_report()), tmp_path, size)

    for number, (_, bins) in enumerate(ENCODINGS.values()):
        page.pick("chart-numeric-path", number)
        page.check()
        shown = [c["id"] for c in page.charts() if "numeric" in c["id"]]
        binned = ["bins", "usage"] if bins else []
        assert set(shown) == {
            f"chart-numeric-{key}" for key in ("response", "path", *binned)
        }


def test_a_hostile_value_runs_no_script(
    browser: webdriver.Chrome, tmp_path: pathlib.Path
) -> None:
    record = finished_run(model=HOSTILE, config_yaml=HOSTILE, run_id=HOSTILE)

    page = opened(browser, record, tmp_path, PHONE)

    page.check()
    assert "taken" not in page.ask("return document.title").split("·")[0]
    assert HOSTILE in page.ask("return document.title")
