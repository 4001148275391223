"""Texts into vectors by a pretrained sentence encoder."""

from collections.abc import Sequence

import numpy as np

from clickwright.components.item_table.vector_encoder import VectorEncoder
from clickwright.schemas.errors import ConfigError


class SentenceTransformersEncoder(VectorEncoder):
    """A model of the package `sentence-transformers`, which must be installed.

    Args:
        model: folder or name of the model.
        name: the feature, for messages.

    Raises:
        ConfigError: the model cannot be loaded.
    """

    def __init__(self, model: str, name: str) -> None:
        from sentence_transformers import SentenceTransformer

        try:
            self._model = SentenceTransformer(model)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"The pretrained model cannot be loaded: {error}.",
                where=f"`features.{name}.source.model`: {model}",
                fix="give the folder of a model that sentence-transformers has saved",
            ) from error

    def encode(self, contents: Sequence[str]) -> np.ndarray:
        """Returns float32 `[contents, width]`."""
        vectors = self._model.encode(
            list(contents), convert_to_numpy=True, show_progress_bar=False
        )
        return np.asarray(vectors, np.float32)
