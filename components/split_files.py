"""The files of a split."""

from tfx import types
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import io_utils

from clickwright.schemas.errors import DataError


def split_files(examples: types.Artifact, split: str) -> list[str]:
    """Returns the paths of a split's files, sorted.

    Raises:
        DataError: the split has none.
    """
    folder = artifact_utils.get_split_uri([examples], split)
    found = sorted(fileio.glob(io_utils.all_files_pattern(folder)))
    if not found:
        raise DataError(
            f"The split `{split}` holds no file.",
            where=folder,
            fix="ingest the log again",
        )
    return found
