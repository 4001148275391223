"""What `LogExampleGen` does when it runs."""

import dataclasses
import functools
import logging
import os
import pathlib
from typing import Any

import apache_beam as beam
import numpy as np
from tfx import types
from tfx.components.example_gen import write_split
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from clickwright.components.ingestion.columns import columns_to_read
from clickwright.components.ingestion.event_files import event_files
from clickwright.components.ingestion.event_reader import read_events
from clickwright.components.ingestion.ingest_unit import (
    EVENTS_FOLDER_NAME,
    IngestUnit,
)
from clickwright.components.ingestion.log_formats import LOG_FORMATS
from clickwright.components.ingestion.machine_errors import machine_errors
from clickwright.components.ingestion.progress_watch import ProgressWatch
from clickwright.components.ingestion.spec import FEATURE_SPEC_KEY, LOG_FORMAT_KEY
from clickwright.components.ingestion.split_assigner import (
    HashAssigner,
    SplitAssigner,
    TimeAssigner,
)
from clickwright.components.ingestion.unit import Unit
from clickwright.components.ingestion.unit_report import (
    UnitReport,
    raise_first_error,
    read_reports,
)
from clickwright.schemas.errors import DataError
from clickwright.schemas.spec import SPLITS, FeatureSpec, GivenSplit, TimeSplit
from clickwright.schemas.time_cuts import time_cuts

_NO_ROWS = 2**63 - 1
"""Time of the newest of no rows, which are refused with the splits."""
STAGING_FOLDER_NAME = ".staging"
progress = logging.getLogger("clickwright.progress")


class Executor(base_beam_executor.BaseBeamExecutor):
    """Writes the rows of log files as gzipped TFRecords of `tf.Example`s.

    Files are divided into units, one Beam element each. Shards grow in a staging
    folder beside the splits and are moved to their places when all of them are whole
    and the splits can be trained on. Rows keep the order of the files, so the same
    input gives the same shards with any number of workers (but for the order of the
    features in an example, which Protocol Buffers leave open).
    """

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Reads the log files and fills the `Examples` artifact.

        Args:
            input_dict: empty.
            output_dict:
                - examples: one artifact of type `Examples`.
            exec_properties:
                - input_base: folder of the log.
                - input_config: JSON of an `example_gen_pb2.Input`; file patterns below
                  `input_base`, spans filled in.
                - feature_spec: JSON of the `FeatureSpec`.
                - log_format: `parquet`, `csv` or `tfrecord`.
                - events: JSON of the event logs' paths, by sequence feature; those
                  absent lie beside the splits.

        Raises:
            DataError: files or rows break the feature spec, or a split is empty or has
                one class only. No data is left behind.
            MachineError: the output cannot be written. No data is left behind.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.EXAMPLES_KEY]
        )
        spec = FeatureSpec.model_validate_json(exec_properties[FEATURE_SPEC_KEY])
        units = _plan(spec, exec_properties)
        staging = os.path.join(examples.uri, STAGING_FOLDER_NAME)
        try:
            with machine_errors(examples.uri):
                for folder in ("reports", *SPLITS):
                    fileio.makedirs(os.path.join(staging, folder))
            times = _Times(spec, units, exec_properties[LOG_FORMAT_KEY])
            assigner = _assigner(spec, times)
            _sort_events(spec, times, staging, exec_properties)
            self._ingest(units, assigner, staging, exec_properties)
            rows = _checked_rows(staging, spec, exec_properties)
            _publish(staging, examples.uri)
        except BaseException:
            for split in SPLITS:
                _remove(os.path.join(examples.uri, f"Split-{split}"))
            raise
        finally:
            _remove(staging)
        examples.split_names = artifact_utils.encode_split_names(list(SPLITS))
        for split, count in rows.items():
            examples.set_int_custom_property(f"rows_{split}", count)
        examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(
            examples,
            write_split.to_file_format_str(example_gen_pb2.FORMAT_TFRECORDS_GZIP),
        )

    def _ingest(
        self,
        units: list[Unit],
        assigner: SplitAssigner | None,
        staging: str,
        exec_properties: dict[str, Any],
    ) -> None:
        sizes = [unit.rows for unit in units if unit.rows is not None]
        total = sum(sizes) if len(sizes) == len(units) else None
        reports = os.path.join(staging, "reports")
        step = IngestUnit(
            exec_properties[FEATURE_SPEC_KEY],
            exec_properties[LOG_FORMAT_KEY],
            assigner,
            staging,
        )
        try:
            with ProgressWatch(reports, total), self._make_beam_pipeline() as pipeline:
                spread = pipeline | "Plan" >> beam.Create(units) | beam.Reshuffle()
                _ = spread | "Ingest" >> beam.ParDo(step)
        except Exception:
            raise_first_error(reports)
            _probe(staging)  # a full disk may have had no room for the report either
            raise
        raise_first_error(reports)


def _probe(staging: str) -> None:
    """Raises a MachineError if the output folder takes no more data."""
    with (
        machine_errors(os.path.dirname(staging)),
        fileio.open(os.path.join(staging, "probe"), "wb") as file,
    ):
        file.write(bytes(1 << 20))


def _plan(spec: FeatureSpec, exec_properties: dict[str, Any]) -> list[Unit]:
    """Lists the work, after a look at every file's columns."""
    input_config = example_gen_pb2.Input()
    proto_utils.json_to_proto(
        exec_properties[standard_component_specs.INPUT_CONFIG_KEY], input_config
    )
    input_base = exec_properties[standard_component_specs.INPUT_BASE_KEY]
    columns = columns_to_read(spec)
    units: list[Unit] = []
    for split in input_config.splits:
        given = split.name if isinstance(spec.split, GivenSplit) else None
        for path in _files(os.path.join(input_base, split.pattern)):
            log = LOG_FORMATS[exec_properties[LOG_FORMAT_KEY]](path)
            log.check(columns, spec)
            units += [
                dataclasses.replace(unit, index=len(units) + number, split=given)
                for number, unit in enumerate(log.units())
            ]
    return units


def _files(pattern: str) -> list[str]:
    """Files of a pattern, in order, without marks such as `_SUCCESS`."""
    paths = [
        path
        for path in sorted(fileio.glob(pattern))
        if not os.path.basename(path).startswith((".", "_")) and not fileio.isdir(path)
    ]
    if not paths:
        raise DataError(
            "There is no file to read.",
            where=pattern,
            fix="put the log files there, or correct the folder in the configuration",
        )
    # A link is for us; messages are about the file that the user knows.
    return [os.path.realpath(p) if os.path.islink(p) else p for p in paths]


def _sort_events(
    spec: FeatureSpec, times: "_Times", staging: str, exec_properties: dict[str, Any]
) -> None:
    """Lays the event logs into the staging folder, sorted, for all workers."""
    for name, path in event_files(spec, exec_properties).items():
        newest = max((int(part.max()) for part in times.parts), default=_NO_ROWS)
        events = read_events(path, spec, name, newest)
        with machine_errors(staging):
            events.write(pathlib.Path(staging, EVENTS_FOLDER_NAME, name))


def _assigner(spec: FeatureSpec, times: "_Times") -> SplitAssigner | None:
    """What tells a row's split; the rule's shares of time are turned into times."""
    if isinstance(spec.split, GivenSplit):
        return None
    if not isinstance(spec.split, TimeSplit):
        return HashAssigner(spec.split)
    column, rule = str(spec.timestamp), spec.split
    if rule.valid_from is not None and rule.test_from is not None:
        return TimeAssigner(column, rule.valid_from, rule.test_from)
    if not times.parts:
        return TimeAssigner(column, 0, 0)  # no rows, which is refused with the splits
    cuts = time_cuts(times.parts, float(rule.valid or 0.0), float(rule.test or 0.0))
    return TimeAssigner(column, *cuts)


@dataclasses.dataclass(frozen=True)
class _Times:
    """The times of the log's rows, read when they are needed."""

    spec: FeatureSpec
    units: list[Unit]
    log_format: str

    @functools.cached_property
    def parts(self) -> list[np.ndarray]:
        progress.info(
            "reading the times of the rows", extra={"detail": "reading times"}
        )
        column = str(self.spec.timestamp)
        only = {column: columns_to_read(self.spec)[column]}
        return [
            batch.column(column).to_numpy()
            for unit in self.units
            for batch in LOG_FORMATS[self.log_format](unit.path).read(
                unit, only, self.spec
            )
            if batch.num_rows
        ]


def _checked_rows(
    staging: str, spec: FeatureSpec, exec_properties: dict[str, Any]
) -> dict[str, int]:
    """Rows of each split.

    Raises:
        DataError: a split has no rows, or one class only.
    """
    total = UnitReport(unit=-1)
    for report in read_reports(os.path.join(staging, "reports")):
        for split, rows in report.rows.items():
            total.add(split, rows, report.positives[split], report.negatives[split])
    where = str(exec_properties[standard_component_specs.INPUT_BASE_KEY])
    if not total.rows:
        raise DataError(
            "The files hold no rows.", where=where, fix="give files with rows"
        )
    wanted: list[tuple[dict[str, int], str]] = [
        (total.rows, "rows"),
        (total.positives, f"row where `{spec.label_column}` is 1"),
    ]
    if not spec.labels[spec.label].always:
        wanted.append((total.negatives, f"row where `{spec.label_column}` is 0"))
    for split in SPLITS:
        told = (
            f"{total.rows.get(split, 0)} of {sum(total.rows.values())} rows, "
            f"{total.positives.get(split, 0)} of them positive"
        )
        for found, lacking in wanted:
            if not found.get(split):
                raise DataError(
                    f"The split `{split}` has no {lacking}; training and evaluation "
                    f"need both classes in every split. Received: {told}.",
                    where=where,
                    fix="give more rows, or move the cuts under `split` in the feature "
                    "spec",
                )
    return {split: total.rows[split] for split in SPLITS}


def _publish(staging: str, uri: str) -> None:
    """Moves the shards to the names that TFX's components look for."""
    with machine_errors(uri):
        for split in SPLITS:
            shards = sorted(fileio.glob(os.path.join(staging, split, "unit-*.gz")))
            folder = os.path.join(uri, f"Split-{split}")
            fileio.makedirs(folder)
            for index, shard in enumerate(shards):
                name = (
                    f"{write_split.DEFAULT_TF_RECORD_FILE_NAME}-"
                    f"{index:05d}-of-{len(shards):05d}.gz"
                )
                fileio.rename(shard, os.path.join(folder, name))


def _remove(folder: str) -> None:
    if fileio.exists(folder):
        fileio.rmtree(folder)
