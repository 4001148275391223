"""The TFX component that reads a click log."""

import json
from collections.abc import Mapping
from typing import Literal

from tfx.components import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec
from tfx.proto import example_gen_pb2
from tfx.types import channel, standard_artifacts

from clickwright.components.ingestion.driver import LogExampleGenDriver
from clickwright.components.ingestion.executor import Executor
from clickwright.components.ingestion.log_formats import LOG_FORMATS
from clickwright.components.ingestion.spec import LogExampleGenSpec
from clickwright.schemas.errors import ConfigError, did_you_mean
from clickwright.schemas.spec import SPLITS, FeatureSpec, GivenSplit


class LogExampleGen(FileBasedExampleGen):
    """Reads the columns of a feature spec out of log files, into `tf.Example`s.

    Output: `examples`, an `Examples` artifact with the splits `train`, `valid` and
    `test`, one feature a column, and the integer properties `rows_<split>`. A null
    becomes a feature without a value, which parsers take for an absent one.

    In CSV files the first line names the columns, an empty cell is null, and the
    values of a list stand in one cell with `|` between them (empty: no values).

    Histories of sequence features with `events` are made here, whatever the format of
    the log, from a Parquet file: each row gets the latest events of its key that lie
    before its own time. The events are sorted in memory.

    Args:
        input_base: folder that holds one folder of files a split.
        spec: what the columns mean, and how rows are split.
        splits: the folders to read. They are the output splits when the spec's
            split is `given`; else their rows are put together and split by its rule.
        file_format: format of the files. CSV and TFRecord files may be gzipped.
        span: whether the folders lie in `span-<number>` folders, of which the
            highest number is read.
        events: path of the event log of a sequence feature, where it is not the file
            that the spec names, beside the splits.

    Raises:
        ConfigError: an unknown format, or splits that the spec's rule cannot use.

    Example:
        >>> LogExampleGen("data/shop", load_spec("features.yaml"))  # data/shop/all/*
    """

    SPEC_CLASS = LogExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = LogExampleGenDriver

    def __init__(
        self,
        input_base: str,
        spec: FeatureSpec,
        splits: tuple[str, ...] = ("all",),
        file_format: Literal["parquet", "csv", "tfrecord"] = "parquet",
        span: bool = False,
        events: Mapping[str, str] | None = None,
    ) -> None:
        if file_format not in LOG_FORMATS:
            raise ConfigError(
                f"Unknown file format `{file_format}`."
                f"{did_you_mean(file_format, LOG_FORMATS)}",
                fix=f"use one of {', '.join(LOG_FORMATS)}",
            )
        if isinstance(spec.split, GivenSplit) and sorted(splits) != sorted(SPLITS):
            raise ConfigError(
                f"`split.kind: given` needs the folders {', '.join(SPLITS)}. "
                f"Received: {', '.join(splits) or 'none'}.",
                where=f"feature spec `{spec.name}`",
                fix="lay the rows into these folders, or choose `time` or `hash`",
            )
        folder = "span-{SPAN}/" if span else ""
        inputs = [
            example_gen_pb2.Input.Split(name=split, pattern=f"{folder}{split}/*")
            for split in splits
        ]
        # Past FileBasedExampleGen's own constructor, which knows no other
        # specification than its own; being one of its kind matters to TFX's runners.
        super(FileBasedExampleGen, self).__init__(
            spec=LogExampleGenSpec(
                input_base=input_base,
                input_config=example_gen_pb2.Input(splits=inputs),
                output_config=example_gen_pb2.Output(),
                output_data_format=example_gen_pb2.FORMAT_TF_EXAMPLE,
                output_file_format=example_gen_pb2.FORMAT_TFRECORDS_GZIP,
                feature_spec=spec.model_dump_json(),
                log_format=file_format,
                events=json.dumps(dict(events or {}), sort_keys=True),
                examples=channel.Channel(type=standard_artifacts.Examples),
            )
        )
