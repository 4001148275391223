"""The log that a run ingests: prepared from a data set, or files of the user's."""

import dataclasses
import hashlib
import pathlib
from collections.abc import Iterable, Mapping

from clickwright.components.source.prepared_files import ITEMS_FILE
from clickwright.components.spans.find_spans import find_spans
from clickwright.components.spans.laid_spans import LaidSpans
from clickwright.components.spans.lay_spans import lay_spans
from clickwright.components.spans.span_folder import SpanFolder
from clickwright.components.spans.span_journal import SpanJournal
from clickwright.components.spans.span_request import SpanRequest
from clickwright.pipeline.config import LoadedConfig, LogFormat
from clickwright.pipeline.paths import RunPaths
from clickwright.schemas.errors import ConfigError, DataError
from clickwright.schemas.source import (
    PreparedData,
    Source,
    progress,
    read_prepared,
)
from clickwright.schemas.spec import SPLITS, GivenSplit, ImageVectors


@dataclasses.dataclass(frozen=True)
class ItemFiles:
    """Item data of an entity.

    Attributes:
        path: a Parquet file, or a folder of them.
        fingerprint: changes whenever the files do.
    """

    path: pathlib.Path
    fingerprint: str


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
        items: item data by entity.
        spans: which spans of the log these rows come from; None for a run without
            `incremental`.
    """

    folder: pathlib.Path
    splits: tuple[str, ...]
    fingerprint: str
    format: LogFormat = "parquet"
    span: bool = False
    reused: bool = False
    rows: int | None = None
    bayes: Mapping[str, Mapping[str, float]] | None = None
    items: Mapping[str, ItemFiles] = dataclasses.field(default_factory=dict)
    spans: LaidSpans | None = None

    def item_fingerprints(self) -> dict[str, str]:
        """The fingerprint of each entity's item data."""
        return {entity: item.fingerprint for entity, item in self.items.items()}


def find_input(
    config: LoadedConfig,
    data: pathlib.Path | None,
    paths: RunPaths,
    span: SpanRequest | None = None,
) -> InputFiles:
    """Prepares the data set's Parquet, or finds the user's own files.

    Args:
        config: the run's configuration.
        data: `--data`, which takes precedence over the configuration's `data.path`.
        paths: prepared Parquet goes below these.
        span: `--span`; the latest when None, where the run goes by spans.

    Raises:
        ClickwrightError: raw files or item data are absent or broken, or no folder was
            given; or the spans cannot be learned from, see `find_spans`.
    """
    _check_request(config, span)
    found = _find_source(config, data)
    if found is None:
        files = _own_files(config, data)
        if config.run.incremental is not None:
            files = _lay(config, files, _plan_spans(config, files.folder, paths, span))
        _check_items(config, files.items)
        return files
    source, raw = found
    prepared = source.prepare(raw, paths.data)
    items = _items(config, prepared.directory, prepared.fingerprint)
    _check_items(config, items)
    files = InputFiles(
        prepared.directory,
        prepared.splits,
        _with_events(config, prepared.fingerprint),
        reused=prepared.reused,
        rows=sum(prepared.rows.values()),
        items=items,
    )
    if config.run.incremental is None:
        return dataclasses.replace(files, bayes=source.bayes_metrics(prepared))
    plan = _plan_spans(config, prepared.directory, paths, span)
    files = _lay(config, files, plan)
    return dataclasses.replace(
        files,
        reused=files.reused and prepared.reused,
        bayes=_bayes_of_newest(source, prepared, plan),
    )


def locate_input(
    config: LoadedConfig,
    data: pathlib.Path | None,
    paths: RunPaths,
    span: SpanRequest | None = None,
) -> InputFiles:
    """Tells what `find_input` would give, without writing; `folder` may not be there.

    Raises:
        ClickwrightError: as `find_input`, as far as it can be told.
    """
    _check_request(config, span)
    found = _find_source(config, data)
    if found is None:
        files = _own_files(config, data)
    else:
        source, raw = found
        folder = source.directory(raw, paths.data)
        if not folder.is_dir():
            own = source.fingerprint(raw)
            items = _items(config, folder, own)
            return InputFiles(folder, ("all",), _with_events(config, own), items=items)
        prepared = read_prepared(folder)
        files = InputFiles(
            folder,
            prepared.splits,
            _with_events(config, prepared.fingerprint),
            reused=prepared.reused,
            rows=sum(prepared.rows.values()),
            items=_items(config, folder, prepared.fingerprint),
        )
    if config.run.incremental is None:
        return files
    return _of_spans(config, files, _plan_spans(config, files.folder, paths, span))


def span_folder(
    config: LoadedConfig, data: pathlib.Path | None, paths: RunPaths
) -> SpanFolder:
    """The log of a run that goes by spans; simulated where it is not there yet.

    Raises:
        ClickwrightError: it cannot be prepared, or no folder was given.
    """
    found = _find_source(config, data)
    if found is None:
        return SpanFolder(_own_folder(config, data))
    source, raw = found
    return SpanFolder(source.prepare(raw, paths.data).directory)


def _check_request(config: LoadedConfig, span: SpanRequest | None) -> None:
    if span is not None and config.run.incremental is None:
        raise ConfigError(
            "`--span` is given, and the run does not go by spans.",
            where=str(config.path),
            fix="say `incremental: {}` in the configuration, or leave out `--span`",
        )


def _plan_spans(
    config: LoadedConfig,
    folder: pathlib.Path,
    paths: RunPaths,
    span: SpanRequest | None,
) -> LaidSpans:
    return find_spans(
        SpanFolder(folder),
        config.log_spec,
        config.incremental,
        span or SpanRequest(),
        SpanJournal.read(paths.spans),
        paths.data,
    )


def _lay(config: LoadedConfig, files: InputFiles, plan: LaidSpans) -> InputFiles:
    laid = lay_spans(
        plan,
        SpanFolder(files.folder),
        config.log_spec,
        config.incremental.reservoir,
        file_format=files.format,
    )
    progress.info("%s", laid.choice, extra={"detail": str(laid.choice)})
    return _of_spans(config, files, laid)


def _of_spans(config: LoadedConfig, files: InputFiles, laid: LaidSpans) -> InputFiles:
    """The rows of the spans chosen, in place of the whole log."""
    items = files.items
    if config.source is None and (laid.source / ITEMS_FILE).exists():
        items = _items(config, laid.source)  # what was sold by then
    return dataclasses.replace(
        files,
        folder=laid.folder,
        splits=SPLITS,
        fingerprint=_with_events(config, laid.fingerprint),
        format="parquet",
        span=True,
        reused=laid.reused,
        rows=sum(laid.rows.values()) or None,
        items=items,
        spans=laid,
    )


def _bayes_of_newest(
    source: Source, prepared: PreparedData, plan: LaidSpans
) -> dict[str, dict[str, float]] | None:
    """What an oracle scores on the newest span, whose rows are divided by its rule."""
    return source.bayes_metrics(dataclasses.replace(prepared, directory=plan.source))


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


def _own_folder(config: LoadedConfig, data: pathlib.Path | None) -> pathlib.Path:
    folder = _folder(config, data)
    if folder is None:
        raise ConfigError(
            "No data folder: neither `data.path` nor --data was given.",
            where=str(config.path),
            fix="give the folder of the files with --data",
        )
    return folder


def _own_files(config: LoadedConfig, data: pathlib.Path | None) -> InputFiles:
    folder = _own_folder(config, data)
    items = _items(config, folder)
    # The item data are of another component: new vectors are no new log.
    apart = {file for item in items.values() for file in _files(item.path)}
    fingerprint = _digest(f for f in _files(folder) if f not in apart)
    return InputFiles(
        folder,
        SPLITS if isinstance(config.spec.split, GivenSplit) else ("all",),
        _with_events(config, fingerprint),
        config.run.data.format,
        config.run.data.span,
        items=items,
    )


def _items(
    config: LoadedConfig, folder: pathlib.Path, prepared: str | None = None
) -> dict[str, ItemFiles]:
    """Where the item data are; those that a source has prepared change with it."""
    given = config.item_files()
    found: dict[str, ItemFiles] = {}
    for entity in config.spec.item_entities():
        path = given.get(entity, folder / ITEMS_FILE)
        files = set(_files(path))
        for feature in config.spec.item_features().values():
            source = getattr(feature, "source", None)
            if feature.of == entity and isinstance(source, ImageVectors):
                base = path if path.is_dir() else path.parent
                files |= set(_files(base / source.weights))
        fingerprint = _digest(files)
        if entity not in given and prepared is not None:
            fingerprint = prepared
        found[entity] = ItemFiles(path, fingerprint)
    return found


def _check_items(config: LoadedConfig, items: Mapping[str, ItemFiles]) -> None:
    for entity, item in items.items():
        if not item.path.exists():
            features = [
                n for n, f in config.spec.item_features().items() if f.of == entity
            ]
            raise DataError(
                f"There are no item data of `{entity}`, which the features "
                f"{', '.join(features)} read.",
                where=str(item.path),
                fix=f"write them there, or give their place in the run's "
                f"configuration as `data.items.{entity}`",
            )


def _files(path: pathlib.Path) -> list[pathlib.Path]:
    """The file, or all files of the folder; nothing where there is neither."""
    if path.is_file():
        return [path]
    return [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else []


def _with_events(config: LoadedConfig, fingerprint: str) -> str:
    """The fingerprint of the log, and of event logs that lie elsewhere."""
    files = [path for path in config.event_files().values() if path.is_file()]
    return f"{fingerprint}-{_digest(files)}" if files else fingerprint


def _digest(files: Iterable[pathlib.Path]) -> str:
    digest = hashlib.sha256()
    for file in sorted(files):
        stat = file.stat()
        digest.update(f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:16]


def _folder(config: LoadedConfig, data: pathlib.Path | None) -> pathlib.Path | None:
    folder = config.data_folder(data)
    if folder is not None and not folder.is_dir():
        raise DataError(
            "The data folder does not exist.",
            where=str(folder),
            fix="give the folder of the files with --data",
        )
    return folder
