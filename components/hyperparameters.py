"""The files of `HyperParameters` artifacts, which TFX's Trainer takes."""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from tfx import types
from tfx.types import artifact_utils

FILE_NAME = "best_hyperparameters.txt"
"""As TFX's Tuner names it; TFX's Trainer reads the only file that it finds, as JSON."""


def read_hyperparameters(artifacts: Sequence[types.Artifact]) -> dict[str, Any]:
    """What an artifact holds; nothing where there is none.

    Args:
        artifacts: one `HyperParameters`, or none.
    """
    if not artifacts:
        return {}
    folder = artifact_utils.get_single_uri(list(artifacts))
    return dict(json.loads(pathlib.Path(folder, FILE_NAME).read_text("utf-8")))


def write_hyperparameters(
    artifacts: Sequence[types.Artifact], content: Mapping[str, Any]
) -> None:
    """Writes an artifact's only file.

    Args:
        artifacts: one `HyperParameters`.
        content: what the Trainer is to get, ready for JSON.
    """
    folder = artifact_utils.get_single_uri(list(artifacts))
    text = json.dumps(content)
    pathlib.Path(folder, FILE_NAME).write_text(text, encoding="utf-8")
