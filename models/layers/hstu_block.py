"""A block of HSTU."""

from typing import Any

import keras
import numpy as np
from keras import ops

from clickwright.models.layers.dropout import Dropout


@keras.saving.register_keras_serializable(package="clickwright")
class HSTUBlock(keras.layers.Layer):
    """Causal attention without a softmax, gated, in the place of a dense network.

    With layer normalization `LN` without gain and bias (epsilon 1e-6), heads `h`:

        u, v, q, k = split(SiLU(LN(x) W))
        A_h = SiLU(q_h k_h^T + r) / N, 0 above the diagonal
        output = drop(u * LN(concat_h A_h v_h)) Wo + bo + x
        r[i, j] = w_place[i - j] + w_age[bucket of t_{i+1} - t_j]

    `N` is the number of places, of padding too: with another the block is another.
    Padding stands on the right, where no event looks. The authors' code keeps `2 N - 1`
    values `w_place`; those above the diagonal never learn, and are not kept here.

    Args:
        heads: heads.
        key_width: values of a head's queries and keys.
        value_width: values of a head's gates and values.
        dropout: share of the gated values that is dropped.
        place_bias: whether scores depend on how far events are apart.
        age_buckets: the highest bucket of the time between events; 0 for no ages.

    Input shape:
        Events `[batch, N, d]`; and, with `age_buckets`, buckets, int32 `[batch, N, N]`.

    Output shape:
        `[batch, N, d]`.

    Raises:
        ValueError: a number of heads or a width is below 1.

    References:
        Zhai et al., Actions Speak Louder than Words, ICML 2024;
        meta-recsys/generative-recommenders.
    """

    def __init__(
        self,
        heads: int,
        key_width: int,
        value_width: int,
        dropout: float = 0.0,
        place_bias: bool = True,
        age_buckets: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value in (
            ("heads", heads),
            ("key_width", key_width),
            ("value_width", value_width),
        ):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {value}")
        self.heads = heads
        self.key_width = key_width
        self.value_width = value_width
        self.dropout = dropout
        self.place_bias = place_bias
        self.age_buckets = age_buckets
        self.input_norm, self.output_norm = (
            keras.layers.LayerNormalization(
                epsilon=1e-6,
                center=False,
                scale=False,
                dtype=self.dtype_policy,
                name=name,
            )
            for name in ("input_norm", "output_norm")
        )
        self.drop = Dropout(dropout, dtype=self.dtype_policy, name="drop")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the kernels and the biases of attention."""
        places, width = input_shape[1:]
        normal = keras.initializers.RandomNormal(stddev=0.02)
        inner = self.heads * self.value_width
        self.kernel = self.add_weight(
            name="kernel",
            shape=(width, 2 * inner + 2 * self.heads * self.key_width),
            initializer=normal,
        )
        self.input_norm.build(input_shape)
        self.output_norm.build((*input_shape[:-1], inner))
        self.output_ = keras.layers.Dense(
            width,
            kernel_initializer="glorot_uniform",
            dtype=self.dtype_policy,
            name="output",
        )
        self.output_.build((*input_shape[:-1], inner))
        if self.place_bias:
            self.by_place = self.add_weight(
                name="by_place", shape=(places,), initializer=normal.clone()
            )
        if self.age_buckets:
            self.by_age = self.add_weight(
                name="by_age",
                shape=(self.age_buckets + 1,),
                initializer=normal.clone(),
            )

    def call(
        self, inputs: Any, buckets: Any = None, training: bool | None = None
    ) -> Any:
        """Attends, gates, projects, and adds."""
        places = inputs.shape[1]
        z = ops.silu(ops.matmul(self.input_norm(inputs), self.kernel))
        values, keys = self.heads * self.value_width, self.heads * self.key_width
        u, v, q, k = ops.split(z, np.cumsum([values, values, keys]).tolist(), axis=-1)
        q, k, v = (self._by_head(x) for x in (q, k, v))
        scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2)))  # [B, H, N, N]
        apart = np.arange(places)[:, None] - np.arange(places)
        if self.place_bias:
            scores = scores + ops.take(self.by_place, np.maximum(apart, 0), axis=0)
        if self.age_buckets:
            by_age = ops.take(self.by_age, buckets, axis=0)  # [B, N, N]
            scores = scores + ops.expand_dims(by_age, 1)
        weights = ops.silu(scores) * ops.cast((apart >= 0) / places, scores.dtype)
        attended = ops.transpose(ops.matmul(weights, v), (0, 2, 1, 3))
        attended = ops.reshape(attended, (-1, places, values))
        gated = self.drop(u * self.output_norm(attended), training=training)
        return self.output_(gated) + inputs

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """That of the events."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "heads": self.heads,
            "key_width": self.key_width,
            "value_width": self.value_width,
            "dropout": self.dropout,
            "place_bias": self.place_bias,
            "age_buckets": self.age_buckets,
        }

    def _by_head(self, x: Any) -> Any:
        width = x.shape[-1] // self.heads
        x = ops.reshape(x, (-1, x.shape[1], self.heads, width))
        return ops.transpose(x, (0, 2, 1, 3))  # [B, H, N, width]
