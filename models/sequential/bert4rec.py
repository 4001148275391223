"""Next items by filling gaps: BERT4Rec."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.layers.item_embedding import ItemEmbedding
from clickwright.models.layers.pack_history import pack_history
from clickwright.models.layers.post_norm_encoder import PostNormEncoder
from clickwright.models.losses.weighted_mean import weighted_mean
from clickwright.models.sequential import next_item
from clickwright.models.sequential.bert4rec_params import BERT4RecParams
from clickwright.models.sequential.next_item_model import NextItemModel
from clickwright.schemas.model_input import ModelInput

_LOWEST = -1e9


@keras.saving.register_keras_serializable(package="clickwright")
class BERT4Rec(NextItemModel):
    """BERT over histories, trained on gaps, asked about a gap at the end.

        H = encoder(ids), ids with items masked, padded on the right
        t = LN(gelu(H_l W + b));  score(item) = t . T[item] + b[item]

    In training `max(1, round(mask_share * n))` of a history's `n` items are masked, of
    some rows the last one alone, and each is told among all items by cross-entropy.
    A request appends a mask to the `length - 1` latest events.

    Padding and the mask are no items and have no score; the authors leave them among
    the logits of the softmax. Epsilon of the normalizations is 1e-12 as in BERT: the
    authors leave it to a library. A long history gives its latest events alone: the
    authors slide windows over it. With `V` rows of items, parameters number, beside
    the encoder's (of `V + 1` rows), `d^2 + d + 2 d + V`.

    Args:
        items: rows of the item table; row 0 is padding.
        length: places of a history, that of the mask included.
        params: `BERT4RecParams`, or a dict of them.

    References:
        Sun et al., BERT4Rec, CIKM 2019; FeiSun/BERT4Rec.
    """

    params_class = BERT4RecParams
    pads = "right"

    def __init__(
        self,
        items: int,
        length: int,
        params: BERT4RecParams | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(items, length, params, **kwargs)
        p, policy = self.params, self.dtype_policy
        width = p.embedding_dim
        self.encoder = PostNormEncoder(
            items + 1,
            width,
            p.blocks,
            p.heads,
            p.inner,
            p.dropout,
            p.attention_dropout,
            dtype=policy,
            name="encoder",
        )
        self.encoder.build((None, length))
        self.transform = keras.layers.Dense(
            width,
            activation="gelu",
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            dtype=policy,
            name="transform",
        )
        self.norm = keras.layers.LayerNormalization(
            epsilon=1e-12, dtype=policy, name="norm"
        )
        for layer in (self.transform, self.norm):
            layer.build((None, length, width))
        self.bias = self.add_weight(
            name="item_bias", shape=(items,), initializer="zeros", autocast=False
        )
        self.built = True

    @property
    def mask(self) -> int:
        """The id that hides an item, past the last one."""
        return self.items

    @property
    def table(self) -> ItemEmbedding:
        """The items, and the mask."""
        return self.encoder.table

    def states(self, features: Mapping[str, Any], training: bool = False) -> Any:
        """What the model takes each place for, `[batch, length, d]`, float32.

        Only those of masked places mean something.
        """
        history = ops.cast(features["history"], "int32")
        encoded = self.encoder(history, training=training)
        return self._answers(encoded)

    def query(self, features: Mapping[str, Any], training: bool = False) -> Any:
        """What the model takes a mask after the last event for, `[batch, d]`."""
        history = self.aligned(features)["history"]
        # Only the latest `length - 1` events stay: the mask takes a place.
        (history,) = pack_history(history, "left")
        masks = ops.full_like(history[:, :1], self.mask)
        (history,) = pack_history(
            ops.concatenate([history[:, 1:], masks], axis=1), "right"
        )
        encoded = self.encoder(history, training=training)
        return self._answers(self.last(encoded, history))

    def item_matrix(self) -> Any:
        """The table that histories are read with, `[items, d]`."""
        return self.table.matrix(self.items)

    def item_bias(self) -> Any:
        """What is added to the scores, `[items]`."""
        return ops.convert_to_tensor(self.bias)

    def loss(
        self,
        batch: Mapping[str, Any],
        stage: str = "train",
        seed: keras.random.SeedGenerator | None = None,
    ) -> Any:
        """Mean cross-entropy of masked items among all."""
        self._check_stage(stage)
        (items,) = pack_history(next_item.whole(batch), "right")
        places, weights = self.draw_places(items, seed or self.seed_generator)
        hidden = ops.any(
            ops.logical_and(
                ops.expand_dims(weights > 0, -1),
                ops.equal(ops.expand_dims(places, -1), ops.arange(self.length)),
            ),
            axis=1,
        )  # [B, L]
        encoded = self.encoder(ops.where(hidden, self.mask, items), training=True)
        # Only masked places are told: the others would cost as many products.
        asked = ops.take_along_axis(encoded, ops.expand_dims(places, -1), axis=1)
        target = ops.take_along_axis(items, places, axis=1)  # [B, P]
        logits = ops.matmul(self._answers(asked), ops.transpose(self.item_matrix()))
        logits = logits + self.item_bias()  # [B, P, V]
        is_padding = ops.equal(ops.arange(self.items), 0)
        logits = ops.where(is_padding, _LOWEST, logits)
        losses = ops.sparse_categorical_crossentropy(target, logits, from_logits=True)
        return weighted_mean(ops.reshape(losses, (-1,)), ops.reshape(weights, (-1,)))

    def draw_places(self, items: Any, seed: keras.random.SeedGenerator) -> Any:
        """Which places are masked, drawn without replacement.

        Args:
            items: int32 `[batch, L]`, padded on the right.
            seed: draws.

        Returns:
            Places, int32 `[batch, P]`, `P` the most there can be; and weights, 1 of
            those that are masked, else 0, float32 `[batch, P]`.
        """
        share = self.params.mask_share
        most = max(1, round(share * self.length))
        real = ops.not_equal(items, 0)
        count = ops.sum(ops.cast(real, "int32"), axis=1, keepdims=True)  # [B, 1]
        order = keras.random.uniform(ops.shape(items), seed=seed)
        last_alone = (
            keras.random.uniform(ops.shape(count), seed=seed) < self.params.last_share
        )
        is_last = ops.equal(ops.arange(self.length), count - 1)
        order = ops.where(ops.logical_and(last_alone, is_last), -1.0, order)
        order = ops.where(real, order, 2.0)
        places = ops.cast(ops.argsort(order, axis=1)[:, :most], "int32")
        wanted = ops.round(share * ops.cast(count, "float32"))
        wanted = ops.where(last_alone, 1.0, ops.maximum(wanted, 1.0))
        wanted = ops.minimum(wanted, ops.cast(count, "float32"))
        return places, ops.cast(ops.arange(most, dtype="float32") < wanted, "float32")

    def _answers(self, encoded: Any) -> Any:
        return ops.cast(self.norm(self.transform(encoded)), "float32")


def build_bert4rec(inputs: Sequence[ModelInput], params: BERT4RecParams) -> BERT4Rec:
    """The model of a data set's history and items.

    Args:
        inputs: named tensors; the history and the items it is made of are read.
        params: parameters.

    Returns:
        The model.

    Raises:
        ConfigError: there is no history of items.
    """
    return BERT4Rec(*next_item.sizes(inputs, "bert4rec"), params)
