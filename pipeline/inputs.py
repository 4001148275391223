"""The log that a run ingests: prepared from a data set, or files of the user's."""

import dataclasses
import hashlib
import pathlib
from collections.abc import Mapping

from clickwright.pipeline.config import LoadedConfig, LogFormat
from clickwright.pipeline.paths import RunPaths
from clickwright.schemas.errors import ConfigError, DataError
from clickwright.schemas.source import Source, read_prepared
from clickwright.schemas.spec import SPLITS, GivenSplit


@dataclasses.dataclass(frozen=True)
class InputFiles:
    """Files in the columns of the feature spec.

    Attributes:
        folder: holds one folder a split, the files themselves, or spans of either.
        splits: names of the split folders; `all` alone when the spec's rule splits.
        fingerprint: changes whenever the files do.
        format: parquet, csv or tfrecord.
        span: whether `folder` holds `span-<n>` folders.
        reused: whether an earlier run had prepared them.
        rows: rows of all splits, where they are known beforehand.
        bayes: what an oracle that knows the truth reaches, by split (simulated data).
    """

    folder: pathlib.Path
    splits: tuple[str, ...]
    fingerprint: str
    format: LogFormat = "parquet"
    span: bool = False
    reused: bool = False
    rows: int | None = None
    bayes: Mapping[str, Mapping[str, float]] | None = None


def find_input(
    config: LoadedConfig, data: pathlib.Path | None, paths: RunPaths
) -> InputFiles:
    """Prepares the data set's Parquet, or finds the user's own files.

    Args:
        config: the run's configuration.
        data: `--data`, which takes precedence over the configuration's `data.path`.
        paths: prepared Parquet goes below these.

    Raises:
        ClickwrightError: raw files are absent or broken, or no folder was given.
    """
    found = _find_source(config, data)
    if found is None:
        return _own_files(config, data)
    source, raw = found
    prepared = source.prepare(raw, paths.data)
    return InputFiles(
        prepared.directory,
        prepared.splits,
        prepared.fingerprint,
        reused=prepared.reused,
        rows=sum(prepared.rows.values()),
        bayes=source.bayes_metrics(prepared),
    )


def locate_input(
    config: LoadedConfig, data: pathlib.Path | None, paths: RunPaths
) -> InputFiles:
    """Tells what `find_input` would give, without writing; `folder` may not be there.

    Raises:
        ClickwrightError: raw files are absent or broken, or no folder was given.
    """
    found = _find_source(config, data)
    if found is None:
        return _own_files(config, data)
    source, raw = found
    folder = source.directory(raw, paths.data)
    if not folder.is_dir():
        return InputFiles(folder, ("all",), source.fingerprint(raw))
    prepared = read_prepared(folder)
    return InputFiles(
        folder,
        prepared.splits,
        prepared.fingerprint,
        reused=prepared.reused,
        rows=sum(prepared.rows.values()),
    )


def _find_source(
    config: LoadedConfig, data: pathlib.Path | None
) -> tuple[Source, pathlib.Path | None] | None:
    """The data set's source and raw folder; None for files of the user's own."""
    source = config.source
    if source is None:
        return None
    if not source.needs_raw:
        return source, None
    folder = _folder(config, data)
    if folder is None:
        raise ConfigError(
            f"The data set `{source.name}` needs its raw files, and no folder was "
            "given.",
            where=str(config.path),
            fix=f"run `clickwright data get {source.name}` and give its folder with "
            "--data",
        )
    return source, folder


def _own_files(config: LoadedConfig, data: pathlib.Path | None) -> InputFiles:
    folder = _folder(config, data)
    if folder is None:
        raise ConfigError(
            "No data folder: neither `data.path` nor --data was given.",
            where=str(config.path),
            fix="give the folder of the files with --data",
        )
    digest = hashlib.sha256()
    for file in sorted(f for f in folder.rglob("*") if f.is_file()):
        stat = file.stat()
        digest.update(f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
    return InputFiles(
        folder,
        SPLITS if isinstance(config.spec.split, GivenSplit) else ("all",),
        digest.hexdigest()[:16],
        config.run.data.format,
        config.run.data.span,
    )


def _folder(config: LoadedConfig, data: pathlib.Path | None) -> pathlib.Path | None:
    folder = config.data_folder(data)
    if folder is not None and not folder.is_dir():
        raise DataError(
            "The data folder does not exist.",
            where=str(folder),
            fix="give the folder of the files with --data",
        )
    return folder
