"""SourceGen's work."""

import hashlib
import logging
import pathlib
import shutil
import tempfile
from typing import Any

from tfx import types
from tfx.components.example_gen.utils import (
    FINGERPRINT_PROPERTY_NAME,
    SPAN_PROPERTY_NAME,
)
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from clickwright.components.source import spec as keys
from clickwright.components.source.data_set import prepare_data_set
from clickwright.components.source.prepared_files import PreparedFiles
from clickwright.components.source.remote_folder import RemoteFolder, given, spans
from clickwright.components.source.remote_spans import lay_remote_spans
from clickwright.components.source.source_facts import SourceFacts
from clickwright.schemas.errors import ConfigError, DataError, storage_error
from clickwright.schemas.spec import SPLITS, GivenSplit

LATEST = "latest"
progress = logging.getLogger("clickwright.progress")


class Executor(base_executor.BaseExecutor):
    """Lays a data set, or files of the user's own, into the artifact."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Fills the `PreparedData` artifact.

        Args:
            input_dict: empty.
            output_dict: `prepared`, one `PreparedData`.
            exec_properties: as in `SourceGenSpec`.

        Raises:
            ConfigError: there is no address, or the span is no number.
            DataError: files are absent or break their contract, or the span is not
                there.
            MachineError: the storage does not answer, or the disk takes no more.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        facts = SourceFacts.model_validate_json(exec_properties[keys.SOURCE_KEY])
        artifact = artifact_utils.get_single_instance(output_dict[keys.PREPARED_KEY])
        data = exec_properties.get(keys.DATA_KEY) or ""
        span = exec_properties.get(keys.SPAN_KEY) or LATEST
        folder = pathlib.Path(artifact.uri)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if facts.incremental is not None:
                prepared = lay_remote_spans(
                    facts, facts.incremental, data, span, folder
                )
            elif facts.dataset is None:
                prepared = _own_files(facts, data, span, folder)
            else:
                prepared = _data_set(facts, facts.dataset, data, folder)
        except OSError as error:
            raise storage_error(error, folder) from error
        prepared.write(folder)
        artifact.set_string_custom_property(
            FINGERPRINT_PROPERTY_NAME, prepared.fingerprint
        )
        if prepared.span is not None:
            artifact.set_int_custom_property(SPAN_PROPERTY_NAME, prepared.span)
        detail = f"fingerprint {prepared.fingerprint}"
        progress.info("prepared", extra={"detail": detail, "fraction": 1.0})


def _data_set(
    facts: SourceFacts, name: str, data: str, folder: pathlib.Path
) -> PreparedFiles:
    with tempfile.TemporaryDirectory(prefix="clickwright-") as scratch:
        prepared = prepare_data_set(facts, name, data, pathlib.Path(scratch))
        shutil.copytree(prepared.directory, folder, dirs_exist_ok=True)
    return PreparedFiles(splits=prepared.splits, fingerprint=prepared.fingerprint)


def _own_files(
    facts: SourceFacts, data: str, span: str, folder: pathlib.Path
) -> PreparedFiles:
    remote = RemoteFolder(given(data, "the run"))
    names = remote.names()
    chosen: int | None = None
    below = ""
    if facts.in_spans:
        found = spans(names)
        chosen = _chosen(span, found, data)
        below = found[chosen]
        others = {top for top in found.values() if top != below}
        names = [name for name in names if name.partition("/")[0] not in others]
    elif span != LATEST:
        raise ConfigError(
            f"The log has no spans, and the parameter `span` is {span!r}.",
            where="the parameter `span`",
            fix="leave it out, or say `span: true` under `data` in the configuration",
        )
    remote.copy(names, folder)
    return PreparedFiles(
        splits=SPLITS if isinstance(facts.spec.split, GivenSplit) else ("all",),
        fingerprint=_digest(folder, names),
        format=facts.format,
        folder=below,
        span=chosen,
    )


def _chosen(span: str, found: dict[int, str], data: str) -> int:
    known = ", ".join(str(number) for number in sorted(found)) or "none"
    if span == LATEST:
        if found:
            return max(found)
    elif not (span.isascii() and span.isdecimal()):
        raise ConfigError(
            f"A span is `{LATEST}` or a number. Received: {span!r}.",
            where="the parameter `span`",
            fix=f"give one of these: {known}",
        )
    elif int(span) in found:
        return int(span)
    raise DataError(
        f"There is no span {span}. Found: {known}.",
        where=data,
        fix="lay the files into `span-<number>/<split>/`, or give another span",
    )


def _digest(folder: pathlib.Path, names: list[str]) -> str:
    """Digest of names and contents: a copy has no times to go by."""
    digest = hashlib.sha256()
    for name in names:
        with (folder / name).open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{name}\0{content}\0".encode())
    return digest.hexdigest()[:16]
