"""The model that a run goes on from, as components are given it."""

import pathlib
from collections.abc import Sequence

from tfx import types
from tfx.types import artifact_utils

from clickwright.models.training.training_state import state_folder


def parent_folder(models: Sequence[types.Artifact]) -> pathlib.Path | None:
    """The folder of its training state.

    Args:
        models: one `Model`, or none where the run starts from scratch.
    """
    if not models:
        return None
    return state_folder(artifact_utils.get_single_uri(list(models)))
