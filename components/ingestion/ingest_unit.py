"""The Beam step that reads a unit and writes its shards."""

import contextlib
import itertools
import os
import pathlib
import uuid
from collections.abc import Iterator

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
from tfx.dsl.io import fileio

from clickwright.components.ingestion.columns import columns_to_read
from clickwright.components.ingestion.encoder import encode
from clickwright.components.ingestion.log_formats import LOG_FORMATS
from clickwright.components.ingestion.machine_errors import machine_errors
from clickwright.components.ingestion.point_in_time import PointInTime
from clickwright.components.ingestion.shard_writer import ShardWriter
from clickwright.components.ingestion.split_assigner import SplitAssigner, parts
from clickwright.components.ingestion.unit import Unit
from clickwright.components.ingestion.unit_report import UnitReport, failed_before
from clickwright.schemas.errors import ClickwrightError
from clickwright.schemas.spec import FeatureSpec

EVENTS_FOLDER_NAME = "events"


class IngestUnit(beam.DoFn):
    """Writes `<staging>/<split>/unit-<index>.gz` and a report for each unit.

    A shard appears under this name when it is whole. Nothing is yielded, and errors
    in the data or the machine are reported, not raised: the executor raises the one
    of the first unit, whichever worker was the fastest.

    Args:
        spec: the feature spec, as JSON.
        log_format: format of the files.
        assigner: tells each row's split; None when units know theirs.
        staging: folder with a folder `reports` and one a split; with `events`, the
            event logs, where the spec has some.
    """

    def __init__(
        self, spec: str, log_format: str, assigner: SplitAssigner | None, staging: str
    ) -> None:
        super().__init__()
        self._spec = spec
        self._log_format = log_format
        self._assigner = assigner
        self._staging = staging
        self._histories: PointInTime | None = None

    def process(self, unit: Unit) -> None:
        """Reads the unit and writes its rows."""
        reports = os.path.join(self._staging, "reports")
        if failed_before(reports, unit.index):
            return
        try:
            self._ingest(unit, reports)
        except ClickwrightError as error:
            UnitReport.of_error(unit.index, error).write(reports)

    def _ingest(self, unit: Unit, reports: str) -> None:
        spec = FeatureSpec.model_validate_json(self._spec)
        columns = columns_to_read(spec)
        log = LOG_FORMATS[self._log_format](unit.path)
        report = UnitReport(unit=unit.index)
        if self._histories is None:
            folder = pathlib.Path(self._staging, EVENTS_FOLDER_NAME)
            self._histories = PointInTime(spec, folder)
        read = log.read(unit, columns, spec)
        with self._shards(unit) as shards:
            for batch in itertools.chain.from_iterable(
                map(self._histories.attach, read)
            ):
                for split, part in self._parts(unit, batch).items():
                    if split not in shards:
                        shards[split] = ShardWriter(self._temporary(split, unit))
                    shards[split].write(encode(part))
                    labels = part.column(spec.label_column)
                    positives = pc.sum(labels, min_count=0).as_py()
                    negatives = len(labels) - labels.null_count - positives
                    report.add(split, part.num_rows, positives, negatives)
                report.write(reports)
        report.done = True
        report.write(reports)

    def _parts(self, unit: Unit, batch: pa.RecordBatch) -> dict[str, pa.RecordBatch]:
        if self._assigner is None:
            return {str(unit.split): batch}
        return parts(batch, self._assigner.assign(batch))

    def _temporary(self, split: str, unit: Unit) -> str:
        # Beam may try a unit twice, even at the same time.
        name = f".unit-{unit.index:05d}.{uuid.uuid4().hex}"
        return os.path.join(self._staging, split, name)

    @contextlib.contextmanager
    def _shards(self, unit: Unit) -> Iterator[dict[str, ShardWriter]]:
        """Gives room for a shard a split; names them at the end or removes them."""
        shards: dict[str, ShardWriter] = {}
        try:
            yield shards
            for split, shard in shards.items():
                shard.close()
                path = os.path.join(self._staging, split, f"unit-{unit.index:05d}.gz")
                with machine_errors(path):
                    fileio.rename(shard.path, path, overwrite=True)
        except BaseException:
            for shard in shards.values():
                with contextlib.suppress(ClickwrightError):  # the first error counts
                    shard.close()
                if fileio.exists(shard.path):
                    fileio.remove(shard.path)
            raise
