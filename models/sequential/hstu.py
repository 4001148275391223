"""Next items by gated attention without a softmax: HSTU."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.layers.dropout import Dropout
from clickwright.models.layers.hstu_block import HSTUBlock
from clickwright.models.layers.item_embedding import ItemEmbedding
from clickwright.models.layers.pack_history import pack_history
from clickwright.models.layers.position_embedding import PositionEmbedding
from clickwright.models.losses.sampled_softmax import sampled_softmax
from clickwright.models.sequential import next_item
from clickwright.models.sequential.hstu_params import HSTUParams
from clickwright.models.sequential.next_item_model import NextItemModel
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput

_AGE_BUCKETS = 128
_AGE_STEP = 0.301


@keras.saving.register_keras_serializable(package="clickwright")
class HSTU(NextItemModel):
    """Hierarchical sequential transduction unit, as in the authors' code.

        x = drop(sqrt(d) T[history] + P);  x = block_n(x), n = 1 .. blocks
        state = x / |x|;  score(item) = state . T[item] / |T[item]|

    Blocks are `HSTUBlock`s. At every place the next item is told from uniform
    negatives by cross-entropy of cosines over the temperature; a negative that is the
    next item itself is left out.

    With `times`, scores of attention depend on the time from an event to the one
    after the event that looks, in buckets `floor(ln(max(|seconds|, 1)) / .301)`, at
    most 128. After the last event comes the request, at `time` where the features
    have it; else the last event's own time stands in, as in training.

    `1 / N` in the blocks is of `length`; the authors' tensors have some ten places
    more. With `V` rows of items, `d = embedding_dim`, inner widths `hk = heads *
    key_width` and `hv = heads * value_width`, parameters number
    `V d + N d + blocks (d (2 hv + 2 hk) + hv d + d + N [+ 129 with times])`.

    Args:
        items: rows of the item table; row 0 is padding.
        length: places of a history, `N`.
        params: `HSTUParams`, or a dict of them.

    Input shape:
        Dict with `history`; with `times` of the parameters also `times`, integers
        `[batch, any]`, seconds since 1970 of the events, and, if wished, `time`,
        `[batch]`, of the request.

    Raises:
        ValueError: a feature is missing.

    References:
        Zhai et al., Actions Speak Louder than Words, ICML 2024;
        meta-recsys/generative-recommenders.
    """

    params_class = HSTUParams
    # The first event is always in the first place, and padding comes after the last.
    pads = "right"
    along_history = ("times",)

    def __init__(
        self,
        items: int,
        length: int,
        params: HSTUParams | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(items, length, params, **kwargs)
        p, policy = self.params, self.dtype_policy
        width = p.embedding_dim
        normal = keras.initializers.TruncatedNormal
        self.table = ItemEmbedding(
            items,
            width,
            embeddings_initializer=normal(stddev=0.02),
            dtype=policy,
            name="item",
        )
        self.positions = PositionEmbedding(
            normal(stddev=width**-0.5), dtype=policy, name="positions"
        )
        self.drop = Dropout(p.dropout, dtype=policy, name="drop")
        self.blocks: list[keras.layers.Layer] = [
            HSTUBlock(
                p.heads,
                p.key_width,
                p.value_width,
                p.dropout,
                age_buckets=_AGE_BUCKETS if p.times else 0,
                dtype=policy,
                name=f"block_{n}",
            )
            for n in range(p.blocks)
        ]
        self.table.build((None, length))
        self.positions.build((None, length, width))
        for layer in self.blocks:
            layer.build((None, length, width))
        self.built = True

    def states(self, features: Mapping[str, Any], training: bool = False) -> Any:
        """What the model knows after each event, `[batch, length, d]`, of length 1."""
        history = ops.cast(features["history"], "int32")
        x = self.positions(self.table(history) * math.sqrt(self.params.embedding_dim))
        x = self.drop(x, training=training)
        real = ops.expand_dims(ops.cast(ops.not_equal(history, 0), x.dtype), -1)
        x = x * real  # [B, N, d]
        buckets = self._buckets(features, history)
        for block in self.blocks:
            x = block(x, buckets, training=training)
        return _normalized(x)

    def item_matrix(self) -> Any:
        """The items' vectors, of length 1, `[items, d]`."""
        return _normalized(self.table.matrix())

    def loss(
        self,
        batch: Mapping[str, Any],
        stage: str = "train",
        seed: keras.random.SeedGenerator | None = None,
    ) -> Any:
        """Mean cross-entropy of next items among uniform negatives."""
        self._check_stage(stage)
        p = self.params
        names = [n for n in ("history", "target", "times") if n in batch]
        packed = pack_history(batch["history"], "right", *(batch[n] for n in names[1:]))
        batch = {**batch, **dict(zip(names, packed, strict=True))}
        target = ops.cast(batch["target"], "int32")
        states = self.states(batch, training=True) / p.temperature
        shape = () if p.shared_negatives else ops.shape(target)
        drawn = keras.random.randint(
            (*shape, p.negatives),
            1,
            self.items,
            dtype="int32",
            seed=seed or self.seed_generator,
        )
        positive = _normalized(self.table(target))  # [B, N, d]
        negative = _normalized(self.table(drawn))  # [B, N, n, d] or [n, d]
        if p.shared_negatives:
            logits = ops.matmul(states, ops.transpose(negative))
        else:
            logits = ops.squeeze(ops.matmul(negative, states[..., None]), -1)
        return sampled_softmax(
            ops.sum(states * positive, axis=-1),
            logits,  # [B, N, n]
            next_item.weights(batch),
            ops.not_equal(ops.expand_dims(target, -1), drawn),
        )

    def _buckets(self, features: Mapping[str, Any], history: Any) -> Any:
        """Buckets of the times between events, int32 `[batch, N, N]`; None if unused."""
        if not self.params.times:
            return None
        if "times" not in features:
            raise ValueError(
                "`features` must have `times`, the seconds of the events, where the "
                f"parameter `times` is set. Received: {', '.join(features)}"
            )
        times = features["times"]
        lowest = ops.zeros_like(times)
        latest = ops.max(ops.where(history > 0, times, lowest), axis=1, keepdims=True)
        request = latest
        if "time" in features:
            request = ops.expand_dims(ops.cast(features["time"], times.dtype), 1)
        # What follows the last event is the request, and so on through the padding.
        times = ops.where(history > 0, times, request)
        following = ops.concatenate([times[:, 1:], request], axis=1)
        apart = ops.expand_dims(following, 2) - ops.expand_dims(times, 1)  # [B, N, N]
        seconds = ops.maximum(ops.abs(ops.cast(apart, "float32")), 1.0)
        return ops.cast(
            ops.clip(ops.floor(ops.log(seconds) / _AGE_STEP), 0, _AGE_BUCKETS), "int32"
        )


def build_hstu(inputs: Sequence[ModelInput], params: HSTUParams) -> HSTU:
    """The model of a data set's history and items.

    Args:
        inputs: named tensors; the history and the items it is made of are read.
        params: parameters.

    Returns:
        The model.

    Raises:
        ConfigError: there is no history of items, or `times` is set: transformed
            examples hold ages in buckets, not the seconds that it takes.
    """
    if params.times:
        raise ConfigError(
            "`times` must be false in a pipeline: transformed examples hold the ages of "
            "events in buckets, and this model takes seconds. Received: true.",
            where="model `hstu`, parameter `times`",
            fix="leave `times` out, or build `HSTU` on features with `times` yourself",
        )
    return HSTU(*next_item.sizes(inputs, "hstu"), params)


def _normalized(x: Any) -> Any:
    """Of length 1, but what is shorter than 1e-6, in float32."""
    x = ops.cast(x, "float32")
    # A square root has no gradient at zero, which padding is.
    squares = ops.maximum(ops.sum(x * x, axis=-1, keepdims=True), 1e-12)
    return x / ops.sqrt(squares)
