"""Lays the rows of several spans out as the splits of one.

Rows of earlier spans are for training; the newest is divided by the rule of the spec:

* `given`: the folders `train` of all spans; `valid` and `test` of the newest.
* `time`: whole earlier spans; the newest by the shares of its own rows. A warm start
  learns what its parent was tested on, the last rows of the parent's span, as well.
* `hash`: rows that the rule has for training, in all spans, so that a key that is for
  the test never is learned from; validation and test rows of the newest.
"""

import dataclasses
import hashlib
import json
import logging
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clickwright.components.spans.laid_spans import LaidSpans
from clickwright.components.spans.reservoir import Reservoir
from clickwright.components.spans.span_choice import SpanChoice
from clickwright.components.spans.span_folder import SpanFolder
from clickwright.components.spans.span_record import Part, SpanRead
from clickwright.schemas.errors import DataError, storage_error
from clickwright.schemas.spec import (
    SPLITS,
    FeatureSpec,
    GivenSplit,
    HashSplit,
    TimeSplit,
)
from clickwright.schemas.time_cuts import time_cuts

_MANIFEST = "manifest.json"
_SEED = 2009_02147
progress = logging.getLogger("clickwright.progress")


def folders_of(spec: FeatureSpec) -> tuple[str, ...]:
    """The folders of files that each span holds."""
    return SPLITS if isinstance(spec.split, GivenSplit) else ("all",)


def plan_spans(
    spans: SpanFolder,
    choice: SpanChoice,
    read: tuple[SpanRead, ...],
    spec: FeatureSpec,
    reservoir: int,
    out: pathlib.Path,
) -> LaidSpans:
    """Tells what `lay_spans` gives, and reads what it has written before.

    Args:
        spans: the log.
        choice: the spans of the run.
        read: what they hold.
        spec: the columns, and how rows are divided.
        reservoir: rows of the sample.
        out: folder for prepared data.
    """
    content = [
        [(r.span, r.part, r.fingerprint) for r in read],
        spec.split.model_dump(mode="json"),
        [column.model_dump(mode="json") for column in spec.columns().values()],
        reservoir if choice.sample else 0,
        choice.parent,
    ]
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
    folder = out / f"spans-{digest}"
    plan = LaidSpans(folder, spans.paths[choice.newest], digest, choice, read)
    manifest = folder / _MANIFEST
    if not manifest.exists():
        return plan
    rows = json.loads(manifest.read_text("utf-8"))
    return dataclasses.replace(plan, rows=rows, reused=True)


def lay_spans(
    plan: LaidSpans,
    spans: SpanFolder,
    spec: FeatureSpec,
    reservoir: int = 0,
    *,
    file_format: str = "parquet",
    link: bool = True,
) -> LaidSpans:
    """Writes what is planned; what is there whole already is left alone.

    Parquet files all of whose rows belong to one split are linked or copied as they
    are. Event logs of the newest span come along.

    Args:
        plan: what to write, and where.
        spans: the log.
        spec: the columns, and how rows are divided.
        reservoir: rows of the sample.
        file_format: format of the log's files.
        link: whether files are linked, in place of copied.

    Raises:
        DataError: files or rows break the spec, or a split would be empty.
        MachineError: the folder cannot be written.
    """
    if plan.reused:
        return plan
    staging = plan.folder.with_name(f".{plan.folder.name}.{os.getpid()}")
    try:
        shutil.rmtree(staging, ignore_errors=True)  # of a killed process
        newest = staging / f"span-{plan.choice.newest}"
        newest.mkdir(parents=True)
        layout = _Layout(plan, spans, spec, file_format, link, newest)
        rows = layout.write(reservoir)
        (staging / _MANIFEST).write_text(json.dumps(rows, indent=1), "utf-8")
        if plan.folder.exists():  # without a manifest: broken
            shutil.rmtree(plan.folder)
        staging.rename(plan.folder)
    except OSError as error:
        raise storage_error(error, plan.folder) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return dataclasses.replace(plan, rows=rows)


@dataclasses.dataclass(frozen=True)
class _Layout:
    """One writing of a plan into a folder."""

    plan: LaidSpans
    spans: SpanFolder
    spec: FeatureSpec
    file_format: str
    link: bool
    folder: pathlib.Path

    def write(self, reservoir: int) -> dict[str, int]:
        """Writes all parts; returns the rows of each split."""
        rows = dict.fromkeys(SPLITS, 0)
        for split in SPLITS:
            (self.folder / split).mkdir()
        choice = self.plan.choice
        rng = np.random.default_rng([_SEED, choice.newest])
        sample = Reservoir(reservoir, rng)
        for span, part in choice.parts():
            if part == "sample":
                for batch in self._train_rows(span):
                    sample.add(batch)
                continue
            for split, count in self._write_span(span, part).items():
                rows[split] += count
            progress.info(
                "span %d is laid out",
                span,
                extra={"rows": sum(rows.values()), "detail": f"span {span}"},
            )
        found = sample.rows()
        if found is not None:
            pq.write_table(found, self.folder / "train" / "sample.parquet")
            rows["train"] += found.num_rows
        for split, count in rows.items():
            if not count:
                raise DataError(
                    f"The split `{split}` would have no rows.",
                    where=str(self.plan.source),
                    fix="give more rows, or larger shares under `split` in the "
                    "feature spec",
                )
        self._bring_events()
        return rows

    def _write_span(self, span: int, part: Part) -> dict[str, int]:
        rows: dict[str, int] = {}
        divide = self._divider(span, part)
        for folder in folders_of(self.spec):
            if part != "newest" and folder in SPLITS[1:]:
                continue
            for number, file in enumerate(self.spans.files(span, folder)):
                name = f"{span:09d}-{number:05d}.parquet"
                if divide is None and self.file_format == "parquet":
                    split = folder if folder in SPLITS else "train"
                    count = self._bring(file, self.folder / split / name)
                    rows[split] = rows.get(split, 0) + count
                    continue
                for split, count in self._rewrite(file, folder, name, divide).items():
                    rows[split] = rows.get(split, 0) + count
        return rows

    def _divider(
        self, span: int, part: Part
    ) -> Callable[[pa.RecordBatch], dict[str, pa.RecordBatch]] | None:
        """What divides the batches of a span; None where whole files are taken."""
        from clickwright.components.ingestion import split_assigner

        rule = self.spec.split
        assigner: split_assigner.SplitAssigner
        if isinstance(rule, HashSplit):
            assigner = split_assigner.HashAssigner(rule)
        elif isinstance(rule, TimeSplit) and part != "whole":
            column = str(self.spec.timestamp)
            assigner = split_assigner.TimeAssigner(column, *self._cuts(span, rule))
        else:
            return None

        def divide(batch: pa.RecordBatch) -> dict[str, pa.RecordBatch]:
            splits = assigner.assign(batch)
            if part == "rest":  # what was kept back is for training now
                rest = batch.filter(pa.array(splits > 0))
                return {"train": rest} if rest.num_rows else {}
            found = split_assigner.parts(batch, splits)
            if part == "newest":
                return found
            return {"train": found["train"]} if "train" in found else {}

        return divide

    def _cuts(self, span: int, rule: TimeSplit) -> tuple[int, int]:
        """Times at which validation and test of a span begin."""
        column = str(self.spec.timestamp)
        times = [
            batch.column(column).to_numpy()
            for file in self.spans.files(span, "all")
            for batch in self._read(file, only=column)
        ]
        if not times:
            raise DataError(
                "The span holds no rows.",
                where=str(self.spans.paths[span]),
                fix="give files with rows, or remove the span's folder",
            )
        return time_cuts(times, float(rule.valid or 0.0), float(rule.test or 0.0))

    def _train_rows(self, span: int) -> Iterator[pa.RecordBatch]:
        """The rows of a span that models have learned from already."""
        parent = span == self.plan.choice.parent
        divide = self._divider(span, "newest" if parent else "whole")
        folder = folders_of(self.spec)[0]
        for file in self.spans.files(span, folder):
            for batch in self._read(file):
                found = {"train": batch} if divide is None else divide(batch)
                if "train" in found:
                    yield found["train"]

    def _read(
        self, file: pathlib.Path, only: str | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a file in the types of the spec, or one column of them."""
        # TensorFlow comes with the formats; a run that only links files needs none.
        from clickwright.components.ingestion.columns import columns_to_read
        from clickwright.components.ingestion.log_formats import LOG_FORMATS

        columns = columns_to_read(self.spec)
        log = LOG_FORMATS[self.file_format](str(file))
        log.check(columns, self.spec)
        if only is not None:
            columns = {only: columns[only]}
        for unit in log.units():
            for batch in log.read(unit, columns, self.spec):
                if batch.num_rows:
                    yield batch

    def _rewrite(
        self,
        file: pathlib.Path,
        folder: str,
        name: str,
        divide: Callable[[pa.RecordBatch], dict[str, pa.RecordBatch]] | None,
    ) -> dict[str, int]:
        rows: dict[str, int] = {}
        writers: dict[str, pq.ParquetWriter] = {}
        try:
            for batch in self._read(file):
                split = folder if folder in SPLITS else "train"
                parts = {split: batch} if divide is None else divide(batch)
                for split, part in parts.items():
                    if split not in writers:
                        path = self.folder / split / name
                        writers[split] = pq.ParquetWriter(path, part.schema)
                    writers[split].write_batch(part)
                    rows[split] = rows.get(split, 0) + part.num_rows
        finally:
            for writer in writers.values():
                writer.close()
        return rows

    def _bring(self, file: pathlib.Path, to: pathlib.Path) -> int:
        """Links or copies a Parquet file; returns its rows."""
        try:
            rows = int(pq.read_metadata(file).num_rows)
        except (OSError, pa.ArrowException) as error:
            from clickwright.components.ingestion.log_file import unreadable

            raise unreadable(str(file), error) from error
        self._bring_file(file, to)
        return rows

    def _bring_file(self, file: pathlib.Path, to: pathlib.Path) -> None:
        if self.link:
            to.symlink_to(file.resolve())
        else:
            shutil.copyfile(file, to)

    def _bring_events(self) -> None:
        newest = self.plan.source
        for events in self.spec.event_logs().values():
            file = newest / events.file
            if file.is_file():
                self._bring_file(file, self.folder / events.file)
