"""AutoDis: a soft choice among meta-embeddings."""

from typing import Any

import keras
import numpy as np
from keras import ops

from clickwright.models.layers.numeric.numeric_encoder import (
    NumericEncoder,
    softmax,
    times,
)

ANNEALED_FROM = 1.0
"""Temperature at the start of an annealing, unless its end lies above."""
ANNEALING_STEPS = 1000
"""Training steps that an annealing takes."""


@keras.saving.register_keras_serializable(package="clickwright")
class AutoDis(NumericEncoder):
    """Mixes a field's `H` meta-embeddings by weights that a small network gives.

    For a value `x` of a field, with weights of the field's own:

    * `full`: `h = leaky_relu(x w + b)`, `v = h W + skip h + c`, `w` of `[H]` and `W` of
      `[H, H]`;
    * `reduced`: `v = x w + b`.

    `a = softmax(v / temperature)`, and the embedding is `a ME`, `ME` of `[H, D]`, so
    that it lies in the convex hull of the meta-embeddings. `max` keeps the largest
    weight alone, as 1; `topk` keeps the `top_k` largest ones (and those equal to the
    last of them), over their sum. Both pass gradients as though all were kept.

    Without the biases `b` and `c`, `v` is positively homogeneous: values above 0 all
    rank the meta-embeddings alike, and a larger one only sharpens the choice; 0 gives
    the mean of the meta-embeddings. With them, ranges of values choose differently.

    The temperature is constant; or `annealed`, falling geometrically from 1 to the
    one given over the first 1000 training steps, where `steps` counts them (outside
    training it stands still); or `learned`, one a field, as the exponential of a
    weight. Scores, temperature and softmax are float32 under any policy.

    Fields with fewer meta-embeddings than the largest are padded with zeros that take
    no part. With `H` meta-embeddings everywhere, parameters number `F H (D + 1)` for
    `reduced` and `F H (D + H + 1)` for `full`; biases add `F H` and `2 F H`, the
    embeddings of missing values `F D`, learned temperatures `F`.

    Weights of the network start uniform: in +-0.01 without biases, as in the MindSpore
    code; with them `w` and `b` in +-1, so that ranges of values differ from the start.

    Args:
        names: see `NumericEncoder`, as all arguments.

    Input shape:
        `[batch, F]`, NaN where a value is missing.

    Output shape:
        `[batch, F, width]`.

    Raises:
        ValueError: there are no fields, or encodings that do not belong together.

    References:
        Guo et al., An Embedding Learning Framework for Numerical Features in CTR
        Prediction, KDD 2021 (arXiv 2012.08986). `reduced` as in the MindSpore code,
        `full` as in EasyRec; biases, `max` and `topk` are settled here.
    """

    kind = "autodis"
    per_field = frozenset({"meta_embeddings", "temperature"})

    def build(self, input_shape: Any) -> None:
        """Makes the networks and the meta-embeddings, `[F, H, D]`."""
        super().build(input_shape)
        sizes = np.array([e.meta_embeddings for e in self.encodings])
        fields, largest = len(sizes), int(sizes.max())
        self.mask = np.arange(largest) < sizes[:, None]  # [F, H]
        shared = self.encodings[0]
        start = 1.0 if shared.use_bias else 0.01

        def network(name: str, shape: tuple[int, ...], scale: Any) -> Any:
            uniform = keras.initializers.RandomUniform(-1.0, 1.0)
            return self.add_weight(
                name=name,
                shape=shape,
                initializer=times(uniform, scale),
                autocast=False,
            )

        self.first = network("first", (fields, largest), start * self.mask)
        self.first_bias = self.second = self.second_bias = None
        if shared.use_bias:
            self.first_bias = network("first_bias", (fields, largest), self.mask)
        if shared.form == "full":
            pairs = self.mask[:, :, None] & self.mask[:, None, :]  # [F, H, H]
            glorot = np.sqrt(3.0 / sizes)[:, None, None]
            self.second = network("second", (fields, largest, largest), glorot * pairs)
            if shared.use_bias:
                self.second_bias = self.add_weight(
                    name="second_bias",
                    shape=(fields, largest),
                    initializer="zeros",
                    autocast=False,
                )
        self.meta_embeddings = self.add_embeddings(
            "meta_embeddings", (fields, largest, self.width), self.mask[:, :, None]
        )
        given = np.array([[e.temperature] for e in self.encodings], np.float32)
        self._given = given  # [F, 1]
        if shared.temperature_mode == "learned":
            self.log_temperature = self.add_weight(
                name="log_temperature",
                shape=(fields, 1),
                initializer=times(keras.initializers.Ones(), np.log(given)),
                autocast=False,
            )
        if shared.temperature_mode == "annealed":
            self.steps = self.add_weight(
                name="steps",
                shape=(),
                dtype="int32",
                initializer="zeros",
                trainable=False,
                aggregation="only_first_replica",
            )

    def encode(self, x: Any, training: bool | None) -> Any:
        """Mixes the meta-embeddings."""
        weights = self._choose(x)
        if training and self.encodings[0].temperature_mode == "annealed":
            self.steps.assign(ops.minimum(self.steps + 1, ANNEALING_STEPS))
        return self.mix(weights, self.meta_embeddings)

    def weigh(self, x: Any) -> Any:
        """The weights of the meta-embeddings, `[batch, F, H]`."""
        return ops.transpose(self._choose(x), (1, 0, 2))

    def scores(self, x: Any) -> Any:
        """The scores `v` of the meta-embeddings, `[batch, F, H]`; of padding, 0."""
        return ops.transpose(self._scores(x, np.ones_like(self._given)), (1, 0, 2))

    def _choose(self, x: Any) -> Any:
        """The weights of the meta-embeddings, `[F, B, H]`."""
        logits = self._scores(x, self.temperatures())
        if not self.mask.all():
            logits = ops.where(self.mask[:, None], logits, -1e30)
        soft = softmax(logits)
        shared = self.encodings[0]
        if shared.aggregation == "weighted":
            return soft
        bins = self.mask.shape[1]
        if shared.aggregation == "max":
            hard = ops.one_hot(ops.argmax(soft, axis=-1), bins, dtype=soft.dtype)
        else:
            top = ops.top_k(soft, min(shared.top_k, bins))[0]  # [F, B, k]
            kept = ops.where(soft >= top[..., -1:], soft, 0.0)
            hard = kept / ops.sum(kept, axis=-1, keepdims=True)
        return ops.stop_gradient(hard) + (soft - ops.stop_gradient(soft))

    def _scores(self, x: Any, temperatures: Any) -> Any:
        """The scores over the temperatures `[F, 1]`, `[F, B, H]`."""
        shared = self.encodings[0]
        last, bias = self.first, self.first_bias  # [F, H]
        h = self.by_field(x)  # [F, B, 1]
        if self.second is not None:
            h = h * ops.expand_dims(self.first, 1)
            if self.first_bias is not None:
                h = h + ops.expand_dims(self.first_bias, 1)
            h = ops.leaky_relu(h, negative_slope=shared.slope)  # [F, B, H]
            bias = self.second_bias
            # Skip and temperature go into the small matrix, not the large product.
            skip = shared.skip * np.eye(self.mask.shape[1], dtype=np.float32)
            last = (self.second + skip) / ops.expand_dims(temperatures, -1)
            scores = ops.matmul(h, last)
        else:
            scores = h * ops.expand_dims(last / temperatures, 1)
        if bias is not None:
            scores = scores + ops.expand_dims(bias / temperatures, 1)
        return scores

    def temperatures(self) -> Any:
        """The temperature of each field now, `[F, 1]`."""
        match self.encodings[0].temperature_mode:
            case "learned":
                return ops.exp(self.log_temperature)
            case "annealed":
                done = ops.cast(self.steps, "float32") / ANNEALING_STEPS
                start = np.maximum(self._given, ANNEALED_FROM)
                return self._given * ops.power(start / self._given, 1.0 - done)
            case _:
                return self._given
