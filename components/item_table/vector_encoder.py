"""What turns texts or pictures into vectors."""

import abc
from collections.abc import Sequence
from typing import Self

import numpy as np


class VectorEncoder(abc.ABC):
    """Turns contents of entities, texts or paths of pictures, into vectors."""

    batch_size = 256
    """Contents encoded at once."""

    def fit(self, contents: Sequence[str]) -> Self:
        """Learns from the contents of all known entities; pretrained ones need not.

        Args:
            contents: one an entity, in the order of the ids.

        Returns:
            The encoder itself.

        Raises:
            DataError: too little can be learned from them.
        """
        return self

    @abc.abstractmethod
    def encode(self, contents: Sequence[str]) -> np.ndarray:
        """Returns float32 `[contents, width]`, zeros for what says nothing.

        Raises:
            DataError: a content cannot be read.
        """
