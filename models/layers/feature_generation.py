"""New fields, generated from neighbouring ones by a small convolutional network."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class FeatureGeneration(keras.layers.Layer):
    """Convolves and pools along the fields; recombines each level into new fields.

    Level `l` convolves `kernel_height` neighbouring fields (same padding, batch
    normalization, tanh), keeps the maximum of every `pooling` rows, so that
    `H_l = ceil(H_{l-1} / pooling)`, and makes `H_l * new_maps` fields of it by one
    dense layer with tanh. Where `pooling` does not divide the rows, the first window
    begins above the first row, as in FuxiCTR.

    Args:
        channels: filters of each level, `m_1 .. m_L`.
        kernel_height: fields that a filter sees; odd.
        pooling: rows that become one.
        new_maps: new fields a row of a level.
        batch_norm: whether the convolutions are batch-normalized.

    Input shape:
        `[batch, F, D]`.

    Output shape:
        `[batch, sum_l H_l * new_maps, D]`, the first level first.

    Example:

    >>> layer = FeatureGeneration((4, 4), kernel_height=3)
    >>> tuple(layer(np.zeros((8, 10, 2), "float32")).shape)
    (8, 24, 2)

    Raises:
        ValueError: no channels, or an even `kernel_height`.

    References:
        Liu et al., Feature Generation by Convolutional Neural Network for
        Click-Through Rate Prediction, WWW 2019 (arXiv 1904.04447).
    """

    def __init__(
        self,
        channels: Sequence[int],
        kernel_height: int = 7,
        pooling: int = 2,
        new_maps: int = 3,
        batch_norm: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not channels:
            raise ValueError("`channels` must name at least one level. Received: none.")
        if kernel_height % 2 == 0:
            raise ValueError(f"`kernel_height` must be odd. Received: {kernel_height}")
        self.channels = tuple(channels)
        self.kernel_height = kernel_height
        self.pooling = pooling
        self.new_maps = new_maps
        self.batch_norm = batch_norm
        policy = self.dtype_policy
        self.convolutions = [
            keras.layers.Conv2D(
                filters,
                (kernel_height, 1),
                padding="same",
                data_format="channels_last",
                kernel_initializer=keras.initializers.VarianceScaling(
                    1 / 3, mode="fan_in", distribution="uniform"
                ),
                dtype=policy,
                name=f"conv_{n}",
            )
            for n, filters in enumerate(self.channels)
        ]
        self.norms = [
            keras.layers.BatchNormalization(
                momentum=0.9, epsilon=1e-5, dtype=policy, name=f"norm_{n}"
            )
            for n in range(len(self.channels) if batch_norm else 0)
        ]
        self.recombinations: list[Any] = []

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Builds the layers of every level."""
        width = input_shape[2] or 0
        heights = self._heights(input_shape)
        maps = 1
        for n, filters in enumerate(self.channels):
            self.convolutions[n].build((None, heights[n], width, maps))
            if self.batch_norm:
                self.norms[n].build((None, heights[n], width, filters))
            dense = keras.layers.Dense(
                heights[n + 1] * self.new_maps * width,
                activation="tanh",
                kernel_initializer="glorot_normal",
                dtype=self.dtype_policy,
                name=f"recombination_{n}",
            )
            dense.build((None, heights[n + 1] * width * filters))
            self.recombinations.append(dense)
            maps = filters

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Level after level; each sees what the one before has pooled."""
        width = inputs.shape[2]
        x = ops.expand_dims(inputs, -1)  # [B, F, D, 1]
        generated = []
        for n, dense in enumerate(self.recombinations):
            x = self.convolutions[n](x)  # [B, H, D, m]
            if self.batch_norm:
                x = self.norms[n](x, training=training)
            x = self._pooled(ops.tanh(x))
            flat = ops.reshape(x, (-1, x.shape[1] * x.shape[2] * x.shape[3]))
            fields = x.shape[1] * self.new_maps
            generated.append(ops.reshape(dense(flat), (-1, fields, width)))
        return ops.concatenate(generated, axis=1)

    def _pooled(self, x: Any) -> Any:
        rest = x.shape[1] % self.pooling
        if rest:
            missing = self.pooling - rest
            above = min(rest, missing)
            # The least value of tanh, so that padding is never the maximum.
            x = ops.pad(
                x,
                ((0, 0), (above, missing - above), (0, 0), (0, 0)),
                constant_values=-1,
            )
        window = (self.pooling, 1)
        return ops.max_pool(x, window, window, data_format="channels_last")

    def _heights(self, input_shape: tuple[int | None, ...]) -> list[int]:
        heights = [input_shape[1] or 0]
        for _ in self.channels:
            heights.append(-(-heights[-1] // self.pooling))
        return heights

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """`[batch, sum_l H_l * new_maps, D]`."""
        fields = sum(self._heights(input_shape)[1:]) * self.new_maps
        return (input_shape[0], fields, input_shape[2])

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "channels": list(self.channels),
            "kernel_height": self.kernel_height,
            "pooling": self.pooling,
            "new_maps": self.new_maps,
            "batch_norm": self.batch_norm,
        }
