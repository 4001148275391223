"""The report of an experiment in headless Chromium: drawn, readable, silent."""

import pathlib

import pytest
from ab_report_record import SICK, ab_report, empty_report
from report_browser import PHONE, WIDE, Opened
from selenium import webdriver

from clickwright.experiments.report.ab_report import AbReport
from clickwright.experiments.report.render import write_report


def opened(
    browser: webdriver.Chrome,
    report: AbReport,
    folder: pathlib.Path,
    size: tuple[int, int],
    scheme: str = "light",
) -> Opened:
    path = folder / "report.html"
    write_report(report, path)
    return Opened(browser, path, size, scheme)


@pytest.mark.parametrize(
    ("size", "scheme"),
    [(WIDE, "light"), (WIDE, "dark"), (PHONE, "light")],
    ids=["wide", "wide-dark", "phone"],
)
def test_every_chart_of_an_experiment_is_drawn_and_fits(
    browser: webdriver.Chrome,
    tmp_path: pathlib.Path,
    size: tuple[int, int],
    scheme: str,
) -> None:
    page = opened(browser, ab_report(), tmp_path, size, scheme)

    page.check()
    assert [chart["id"] for chart in page.charts()] == [
        "chart-effects",
        "chart-cumulative",
        "chart-slices-0",
        "chart-slices-1",
        "chart-novelty",
    ]


def test_an_experiment_without_exposures_has_a_whole_page(
    browser: webdriver.Chrome, tmp_path: pathlib.Path
) -> None:
    page = opened(browser, empty_report(), tmp_path, PHONE)

    page.check()
    assert page.charts() == []


def test_every_arm_and_metric_can_be_chosen(
    browser: webdriver.Chrome, tmp_path: pathlib.Path
) -> None:
    page = opened(browser, ab_report(), tmp_path, PHONE)

    drawn = set()
    for arm in range(2):
        for metric in range(3):
            page.pick("chart-cumulative", arm, metric)
            page.check()
            lifts = page.ask(
                "return document.getElementById('chart-cumulative').data"
                ".filter((t) => t.name === 'fixed horizon')[0].y"
            )
            drawn.add(tuple(lifts))
        page.pick("chart-novelty", arm)
        page.check()
    assert len(drawn) == 6


def test_an_untrusted_result_is_stamped_where_its_numbers_are(
    browser: webdriver.Chrome, tmp_path: pathlib.Path
) -> None:
    stamped = """
    return Array.from(document.querySelectorAll("section"))
      .filter((s) => s.querySelector(".stamp")?.checkVisibility()).map((s) => s.id)
    """
    page = opened(browser, ab_report(health=SICK), tmp_path, WIDE)

    page.check()
    assert page.ask(stamped) == [
        "verdict",
        "health",
        "effects",
        "cumulative",
        "slices",
        "novelty",
    ]
    trusted = opened(browser, ab_report(), tmp_path, WIDE)
    assert trusted.ask(stamped) == []
