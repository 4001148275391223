"""What an optimizer keeps of a variable, in another optimizer's form."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from clickwright.models.training.training_state_manifest import TrainingStateManifest

Array = np.ndarray[Any, Any]


def in_form_of(
    kind: str,
    shape: tuple[int, ...],
    old: Mapping[str, Array],
    parent: TrainingStateManifest,
) -> Array | None:
    """What the parent's optimizer kept, as the slot `kind`; None where it has no form.

    A table that has grown past the size from which on updates are sparse has all that
    is kept of a row side by side; its moments stay what they were.

    Args:
        kind: of the slot.
        shape: of the slot.
        old: what was kept of its variable, by kind.
        parent: says by which optimizer, and how many steps it took.
    """
    if kind in old:
        return old[kind]
    if kind != "state":
        return None
    match sorted(old):
        case ["momentum", "velocity"] if parent.optimizer in ("adam", "adamw"):
            m, v = old["momentum"], old["velocity"]
            # The steps that touched a row are not known: all, or none.
            touched = v.reshape(len(v), -1).any(axis=1, keepdims=True)
            steps = np.where(touched, parent.steps, 0).astype(v.dtype)
            return np.concatenate(
                [m.reshape(len(m), -1), v.reshape(len(v), -1), steps], 1
            )
        case ["accumulator"] if parent.optimizer == "adagrad":
            # Sums of squares; the mean of the sums is the sum of the means.
            squares = old["accumulator"]
            return squares.reshape(len(squares), -1).mean(axis=1, keepdims=True)
    return None
