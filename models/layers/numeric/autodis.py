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

    Without biases `w` starts uniform in +-0.01, as in the MindSpore code, and `W`
    Glorot-uniform. With them the network starts as `v = -((x - c) / d)^2 temperature`
    and a term that all scores share, `c` the centre of a meta-embedding; the centres
    lie evenly, `d` apart, from `low` to `high`. So ranges of values differ from the
    start, at any scale: chance weights leave most ranges to one meta-embedding, which a
    low temperature makes hard to undo.

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
    per_field = frozenset({"meta_embeddings", "temperature", "low", "high"})

    def build(self, input_shape: Any) -> None:
        """Makes the networks and the meta-embeddings, `[F, H, D]`."""
        super().build(input_shape)
        sizes = np.array([e.meta_embeddings for e in self.encodings])
        fields, largest = len(sizes), int(sizes.max())
        self.mask = np.arange(largest) < sizes[:, None]  # [F, H]
        self._given = np.array([[e.temperature] for e in self.encodings], np.float32)
        self.first_bias: Any = None
        self.second: Any = None
        self.second_bias: Any = None
        if self.encodings[0].use_bias:
            self._build_with_biases()
        else:
            self._build_without_biases()
        self.meta_embeddings = self.add_embeddings(
            "meta_embeddings", (fields, largest, self.width), self.mask[:, :, None]
        )
        mode = self.encodings[0].temperature_mode
        if mode == "learned":
            self.log_temperature = self._add("log_temperature", np.log(self._given))
        if mode == "annealed":
            self.steps = self.add_weight(
                name="steps",
                shape=(),
                dtype="int32",
                initializer="zeros",
                trainable=False,
                aggregation="only_first_replica",
            )

    def _build_with_biases(self) -> None:
        """Scores that choose the meta-embedding whose centre is nearest."""
        low = np.array([[e.low] for e in self.encodings])  # [F, 1]
        high = np.array([[e.high] for e in self.encodings])
        steps = np.maximum(self.mask.sum(axis=1, keepdims=True) - 1, 1)
        apart = (high - low) / steps
        # `((x - low)^2 - (x - centre)^2) / apart^2`, over the temperature: linear in x.
        centres = np.arange(self.mask.shape[1]) * apart  # [F, H], from `low` on
        scale = self._given / apart**2
        slopes, offsets = 2.0 * scale * centres, -scale * centres**2
        if self.encodings[0].form == "reduced":
            self.first = self._add("first", slopes * self.mask)
            offsets = offsets - slopes * low
            self.first_bias = self._add("first_bias", offsets * self.mask)
            return
        # The first unit is `x - low` and carries the line; the others bend at their
        # centres, and count only as training makes them.
        self.first = self._add("first", self.mask.astype(np.float64))
        self.first_bias = self._add("first_bias", -(low + centres) * self.mask)
        pairs = self.mask[:, :, None] & self.mask[:, None, :]  # [F, H, H]
        second = -self.encodings[0].skip * np.eye(self.mask.shape[1]) * pairs
        second[:, 0] += slopes * self.mask
        self.second = self._add("second", second)
        self.second_bias = self._add("second_bias", offsets * self.mask)

    def _build_without_biases(self) -> None:
        self.first = self._add("first", 0.01 * self.mask, random=True)
        if self.encodings[0].form == "full":
            pairs = self.mask[:, :, None] & self.mask[:, None, :]  # [F, H, H]
            glorot = np.sqrt(3.0 / self.mask.sum(axis=1))[:, None, None]
            self.second = self._add("second", glorot * pairs, random=True)

    def _add(self, name: str, values: Any, random: bool = False) -> Any:
        """A weight that starts at these values, or uniform between them and minus."""
        initializer = keras.initializers.RandomUniform(-1.0, 1.0) if random else "ones"
        return self.add_weight(
            name=name,
            shape=values.shape,
            initializer=times(keras.initializers.get(initializer), values),
            autocast=False,
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
