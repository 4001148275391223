"""Rows ingested so far, while workers write them."""

import logging
import threading
from types import TracebackType
from typing import Self

from clickwright.components.ingestion.unit_report import read_reports

progress = logging.getLogger("clickwright.progress")
_SECONDS = 1.0


class ProgressWatch:
    """Logs, every second, the rows that the units' reports add up to.

    Args:
        reports: folder of the reports.
        total: rows to be expected; None if only reading can tell.
    """

    def __init__(self, reports: str, total: int | None) -> None:
        self._reports = reports
        self._total = total
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._log()

    def _watch(self) -> None:
        while not self._stop.wait(_SECONDS):
            self._log()

    def _log(self) -> None:
        rows = sum(sum(report.rows.values()) for report in read_reports(self._reports))
        progress.info(
            "%d rows ingested",
            rows,
            extra={"rows": rows, "total": self._total, "detail": "rows ingested"},
        )
