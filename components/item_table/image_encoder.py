"""Pictures into vectors by a model of keras.applications."""

import pathlib
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from clickwright.components.item_table.vector_encoder import VectorEncoder
from clickwright.schemas.errors import ConfigError, DataError, did_you_mean
from clickwright.schemas.spec import ImageVectors

_SIZE = (224, 224)
"""Height and width of what every network gets, in pixels."""


class ImageEncoder(VectorEncoder):
    """A network of `keras.applications` without its top, averaged over the places.

    Pictures (JPEG, PNG, GIF, BMP) are resized to 224 x 224, bilinearly, and go through
    the network's own `preprocess_input`.

    Args:
        source: the network, and the file of its weights.
        folder: folder that their paths, and those of the pictures, are relative to.
        name: the feature, for messages.

    Raises:
        ConfigError: there is no such network, or the weights are not its weights.
    """

    batch_size = 32

    def __init__(self, source: ImageVectors, folder: pathlib.Path, name: str) -> None:
        where = f"`features.{name}.source`"
        self._folder = folder
        build, self._preprocess = _network(source.model, where)
        weights = folder / source.weights
        if not weights.is_file():
            raise ConfigError(
                f"There is no file of weights `{weights}`.",
                where=f"{where}.weights",
                fix="give the path of the network's weights without its top "
                "(`.weights.h5`), absolute or from the folder of the item data",
            )
        self._network = build(include_top=False, weights=None, pooling="avg")
        try:
            # Keras warns of layers that it leaves at random.
            with warnings.catch_warnings(action="error"):
                self._network.load_weights(weights)
        except (OSError, ValueError, UserWarning) as error:
            raise ConfigError(
                f"The file does not hold the weights of {source.model} without its "
                f"top: {str(error).splitlines()[0]}",
                where=f"{where}.weights: {weights}",
                fix="give the file of this network's weights, without its top",
            ) from error

    def encode(self, contents: Sequence[str]) -> np.ndarray:
        """Returns float32 `[contents, width]`."""
        pictures = np.stack([self._read(self._folder / path) for path in contents])
        vectors = self._network(self._preprocess(pictures), training=False)
        return np.asarray(vectors, np.float32)

    def _read(self, path: pathlib.Path) -> np.ndarray:
        try:
            picture = tf.io.decode_image(
                path.read_bytes(), channels=3, expand_animations=False
            )
        except (OSError, tf.errors.InvalidArgumentError) as error:
            raise DataError(
                f"The picture cannot be read: {str(error).splitlines()[0]}",
                where=str(path),
                fix="give the path of a JPEG, PNG, GIF or BMP file, absolute or from "
                "the folder of the item data; null where there is none",
            ) from error
        return np.asarray(tf.image.resize(picture, _SIZE), np.float32)


def _network(name: str, where: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The function that builds the network, and its preprocessing."""
    known = [n for n in dir(keras.applications) if n[0].isupper()]
    if name not in known:
        raise ConfigError(
            f"`{name}` is no network of keras.applications.{did_you_mean(name, known)}",
            where=f"{where}.model",
            fix=f"choose one of {', '.join(known)}",
        )
    build: Callable[..., Any] = getattr(keras.applications, name)
    return build, sys.modules[build.__module__].preprocess_input
