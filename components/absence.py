"""How a container says that there is no artifact.

A cluster hands every input of a task an artifact, where a resolver of TFX may give
none. So one that stands for none says so.
"""

import pathlib

from tfx import types

ABSENT_PROPERTY = "absent"
_FILE_NAME = "absent.txt"


def mark_absent(artifact: types.Artifact) -> None:
    """Lets an output stand for none.

    It gets a file, as some storages have no empty folders.
    """
    folder = pathlib.Path(artifact.uri)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _FILE_NAME).write_text("There is none yet.\n", encoding="utf-8")
    artifact.set_int_custom_property(ABSENT_PROPERTY, 1)
