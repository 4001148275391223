"""The report in headless Chromium: drawn, readable, and silent."""

import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from numeric_report import ENCODINGS, numeric_report
from report_record import HOSTILE, empty_run, failed_run, finished_run
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from clickwright.pipeline.report.record import RunRecord
from clickwright.pipeline.report.render import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE, PHONE = (1280, 900), (375, 812)
SMALLEST_TEXT = 12
"""Pixels."""

# Every chart: key, size of the drawing, number of traces, and marks in the drawing.
CHARTS = """
const seen = Array.from(document.querySelectorAll(".chart"))
  .filter((chart) => chart.checkVisibility());
return seen.map((chart) => {
  const drawing = chart.querySelector(".main-svg");
  const box = drawing ? drawing.getBoundingClientRect() : {width: 0, height: 0};
  return {
    id: chart.id,
    width: box.width,
    height: box.height,
    traces: (chart.data || []).length,
    marks: chart.querySelectorAll(".trace path, .points path, .boxes path").length,
    right: chart.getBoundingClientRect().right,
  };
});
"""
# The smallest text that is seen, of the page and of the charts.
SMALL_TEXT = """
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim()) continue;
  if (!element.checkVisibility() || element.closest("script, noscript, style")) continue;
  const size = parseFloat(getComputedStyle(element).fontSize);
  if (size < arguments[0]) found.push([size, walker.currentNode.textContent.trim()]);
}
return found;
"""
# Text of a chart that is cut off by the chart's own edge.
CUT_TEXT = """
return Array.from(document.querySelectorAll(".chart"), (chart) => {
  const outer = chart.getBoundingClientRect();
  return Array.from(chart.querySelectorAll(".main-svg text"))
    .filter((text) => text.textContent.trim())
    .map((text) => [text.textContent, text.getBoundingClientRect()])
    .filter(([, box]) => box.width && (box.left < outer.left - 1
        || box.right > outer.right + 1))
    .map(([text]) => chart.id + ": " + text);
}).flat();
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


class Opened:
    """A report in the browser."""

    def __init__(
        self,
        browser: webdriver.Chrome,
        record: RunRecord,
        folder: pathlib.Path,
        size: tuple[int, int],
        scheme: str = "light",
    ) -> None:
        self._browser = browser
        path = folder / "report.html"
        write_report(record, path)
        width, height = size
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {
                "width": width,
                "height": height,
                "deviceScaleFactor": 1,
                "mobile": size == PHONE,
            },
        )
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        browser.get_log("browser")  # forgets what earlier pages said
        browser.get(path.as_uri())
        self.wait("return document.documentElement.hasAttribute('data-drawn')")

    def ask(self, script: str, *arguments: Any) -> Any:
        return self._browser.execute_script(script, *arguments)

    def wait(self, script: str) -> None:
        WebDriverWait(self._browser, 60).until(lambda _: self.ask(script))

    def pick(self, chart: str, *indices: int) -> None:
        """Chooses an entry of each select that steers the chart."""
        self.ask(
            """
            const selects = document.querySelectorAll(
              `select[data-chart~="${arguments[0]}"]`);
            selects.forEach((s, i) => { s.selectedIndex = arguments[1][i]; });
            selects[0].dispatchEvent(new Event("change"));
            """,
            chart,
            list(indices),
        )

    def check(self) -> None:
        """What holds for every page at every moment."""
        assert self._browser.get_log("browser") == []
        assert (
            self.ask(
                "return performance.getEntriesByType('resource').map((e) => e.name)"
            )
            == []
        )
        assert self.ask("return location.protocol") == "file:"
        width, room = self.ask(
            "return [document.documentElement.scrollWidth, innerWidth]"
        )
        assert width <= room
        assert self.ask(SMALL_TEXT, SMALLEST_TEXT) == []
        assert self.ask(CUT_TEXT) == []
        for chart in self.charts():
            assert chart["width"] > 200, chart
            assert chart["height"] > 100, chart
            assert chart["traces"] > 0, chart
            assert chart["marks"] > 0, chart
            assert chart["right"] <= room, chart

    def charts(self) -> list[dict[str, Any]]:
        return self.ask(CHARTS)


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
    page = Opened(browser, finished_run(), tmp_path, size, scheme)

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
    Opened(browser, record, tmp_path, size).check()


def test_every_slice_and_column_can_be_chosen(
    browser: webdriver.Chrome, tmp_path: pathlib.Path
) -> None:
    page = Opened(browser, finished_run(), tmp_path, PHONE)

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
    page = Opened(browser, finished_run(), tmp_path, WIDE)

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
    page = Opened(browser, finished_run(), tmp_path, WIDE, "light")
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
    page = Opened(browser, finished_run(), tmp_path, WIDE)
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
    page = Opened(browser, finished_run(numerics=numeric_report()), tmp_path, size)

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

    page = Opened(browser, record, tmp_path, PHONE)

    page.check()
    assert "taken" not in page.ask("return document.title").split("·")[0]
    assert HOSTILE in page.ask("return document.title")
