"""Whether fixed vectors of items still lie in the space that a model has learned."""

import pathlib
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from clickwright.models.layers.item_vectors import ItemVectors
from clickwright.schemas.errors import ConfigError

PROBED = 64
"""Items whose vectors a training state keeps."""
_MOVED = 0.1
"""By which share of its length a vector must have moved to count as another."""

Array = np.ndarray[Any, Any]


def item_probes(model: keras.Model) -> dict[str, Array]:
    """The vectors of the first items, `[n, width]`, by feature.

    They are the most frequent ones, and their ids stay.

    Args:
        model: a model whose item tables are filled.
    """
    found = {}
    for layer in model._flatten_layers():
        if isinstance(layer, ItemVectors):
            ids = np.arange(1, min(layer.rows, 1 + PROBED))
            found[layer.name] = np.array(layer(ids), np.float32)
    return found


def check_probes(
    parent: Mapping[str, Array], model: keras.Model, where: pathlib.Path
) -> None:
    """Refuses vectors that mean something else than the parent's.

    Those that are fitted to the item data, by an SVD or PCA, come out turned when the
    data change; what a model has learned of the old ones is then noise. Single items
    may change: only where most of them do is it another space.

    Args:
        parent: what `item_probes` gave of the parent.
        model: the model that goes on from it.
        where: folder of the parent's state.

    Raises:
        ConfigError: most of the vectors have moved.
    """
    for name, now in item_probes(model).items():
        before = parent.get(name, now)
        rows = min(len(before), len(now))
        before, now = before[:rows], now[:rows]
        lengths = np.linalg.norm(before, axis=1)
        both = (lengths > 0) & now.any(axis=1)
        gaps = np.linalg.norm(now - before, axis=1)[both]
        moved = gaps > _MOVED * lengths[both]
        if both.any() and moved.mean() > 0.5:
            raise ConfigError(
                f"The vectors `{name}` of {int(moved.sum())} of {int(both.sum())} known "
                "items are not those of the model to start from: they were made anew, "
                "and what it has learned of the old ones means nothing for them.",
                where=str(where),
                fix="give finished vectors, or an encoder that is not fitted to the "
                "items, with `reduce: none`; or set `incremental.warm_start: false`",
            )
