"""A report in headless Chromium, for the tests of all reports."""

import pathlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

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


@contextmanager
def chromium(
    browser: str, driver: str, profile: pathlib.Path
) -> Iterator[webdriver.Chrome]:
    """A browser with a profile of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield started
    finally:
        started.quit()


class Opened:
    """A report in the browser."""

    def __init__(
        self,
        browser: webdriver.Chrome,
        path: pathlib.Path,
        size: tuple[int, int],
        scheme: str = "light",
    ) -> None:
        self._browser = browser
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
