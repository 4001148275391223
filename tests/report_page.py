"""The report as a reader without a browser sees it."""

import html.parser
import json
from typing import Any


class Page(html.parser.HTMLParser):
    """The words and the tables of a page, and its scripts apart."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = ""
        self.scripts: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._caption = ""
        self._rows: list[list[str]] = []
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("wbr", "meta", "link", "path", "rect"):
            return
        self._open.append(tag)
        if tag == "script":
            self.scripts.append("")
        if tag == "table":
            self._rows, self._caption = [], ""
        if tag == "tr":
            self._rows.append([])
        if tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass
        if tag == "table":
            self.tables[self._caption] = self._rows

    def handle_data(self, data: str) -> None:
        if "script" in self._open:
            self.scripts[-1] += data
        elif "style" not in self._open:
            self.text += data
            if "caption" in self._open:
                self._caption += data
            if {"td", "th"} & {*self._open}:
                self._rows[-1][-1] += " ".join(data.split())


def figures(page: Page) -> dict[str, Any]:
    return json.loads(page.scripts[0])["figures"]


def table(page: Page, caption: str) -> list[list[str]]:
    (found,) = [rows for c, rows in page.tables.items() if caption in c]
    return found
