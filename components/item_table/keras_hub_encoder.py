"""Texts into vectors by a pretrained backbone of KerasHub."""

from collections.abc import Sequence

import numpy as np

from clickwright.components.item_table.vector_encoder import VectorEncoder
from clickwright.schemas.errors import ConfigError


class KerasHubEncoder(VectorEncoder):
    """A text backbone of the package `keras-hub`, which must be installed.

    The vector is the mean of the last states over the tokens of the text.

    Args:
        model: folder or name of the preset.
        name: the feature, for messages.

    Raises:
        ConfigError: the preset cannot be loaded.
    """

    batch_size = 64

    def __init__(self, model: str, name: str) -> None:
        import keras_hub

        try:
            self._backbone = keras_hub.models.Backbone.from_preset(model)
            self._tokens = keras_hub.models.TextClassifierPreprocessor.from_preset(
                model
            )
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"The pretrained model cannot be loaded: {error}.",
                where=f"`features.{name}.source.model`: {model}",
                fix="give the folder of a text preset that keras-hub has saved",
            ) from error

    def encode(self, contents: Sequence[str]) -> np.ndarray:
        """Returns float32 `[contents, width]`."""
        tokens = self._tokens(list(contents))
        states = self._backbone(tokens)
        if isinstance(states, dict):
            states = states["sequence_output"]
        states = np.asarray(states, np.float32)  # [n, tokens, width]
        mask = np.asarray(tokens["padding_mask"], np.float32)[..., None]
        return (states * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1.0)
