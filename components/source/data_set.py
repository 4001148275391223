"""Data sets that come by name, in a container."""

import pathlib

from clickwright.components.source.remote_folder import RemoteFolder, given
from clickwright.components.source.source_facts import SourceFacts
from clickwright.schemas import strict_yaml
from clickwright.schemas.datasets import source_class
from clickwright.schemas.source import PreparedData


def prepare_data_set(
    facts: SourceFacts, name: str, data: str, scratch: pathlib.Path
) -> PreparedData:
    """Prepares a data set below a folder, its raw files fetched where it needs some.

    Args:
        facts: its options.
        name: the data set.
        data: address of its raw files.
        scratch: an empty folder.

    Raises:
        ConfigError: there is no address, and raw files are needed.
        DataError: the raw files break their contract.
        MachineError: the storage does not answer, or the disk takes no more.
    """
    cls = source_class(name)
    source = cls(strict_yaml.parse(cls.Options, facts.options, "data.options"))
    raw: pathlib.Path | None = None
    if source.needs_raw:
        raw = scratch / "raw"
        remote = RemoteFolder(given(data, f"the data set `{name}`"))
        remote.copy(remote.names(), raw)
    return source.prepare(raw, scratch / "prepared")
