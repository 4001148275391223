"""Next items by causal self-attention: SASRec."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.layers.by_length import by_length
from clickwright.models.layers.dropout import Dropout
from clickwright.models.layers.item_embedding import ItemEmbedding
from clickwright.models.layers.position_embedding import PositionEmbedding
from clickwright.models.layers.sasrec_block import SASRecBlock
from clickwright.models.losses.binary_with_negatives import binary_with_negatives
from clickwright.models.sequential import next_item
from clickwright.models.sequential.next_item_model import NextItemModel
from clickwright.models.sequential.sasrec_params import SASRecParams
from clickwright.schemas.model_input import ModelInput


@keras.saving.register_keras_serializable(package="clickwright")
class SASRec(NextItemModel):
    """Self-attentive sequential recommendation, as in the authors' code.

        x = drop(sqrt(d) T[history] + P) * m;  x = block_n(x, m), n = 1 .. blocks
        state = LN(x);  score(item) = state . T[item]

    Blocks are `SASRecBlock`s. Each place is trained to tell its next item from one
    item that the user never took: `-ln s(score(next)) - ln(1 - s(score(negative)))`,
    the mean over all places. Histories are padded on the left, so that the last event
    is always in the last place. With `V` rows of items and length `L`, parameters
    number `V d + L d + blocks (5 (d^2 + d) + 4 d) + 2 d`.

    The encoder that the S3Rec authors call SASRec is another: normalization after the
    residuals, an output projection, GELU. `S3Rec` without pre-training is that one.

    Args:
        items: rows of the item table; row 0 is padding.
        length: places of a history, `L`.
        params: `SASRecParams`, or a dict of them.

    References:
        Kang and McAuley, Self-Attentive Sequential Recommendation, ICDM 2018;
        kang205/SASRec.
    """

    params_class = SASRecParams
    negatives_per_position = 1

    def __init__(
        self,
        items: int,
        length: int,
        params: SASRecParams | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(items, length, params, **kwargs)
        p, policy = self.params, self.dtype_policy
        width = p.embedding_dim
        self.table = ItemEmbedding(
            items,
            width,
            embeddings_initializer="glorot_uniform",
            dtype=policy,
            name="item",
        )
        self.positions = PositionEmbedding(dtype=policy, name="positions")
        self.drop = Dropout(p.dropout, dtype=policy, name="drop")
        self.blocks = [
            SASRecBlock(p.heads, p.dropout, dtype=policy, name=f"block_{n}")
            for n in range(p.blocks)
        ]
        self.norm = keras.layers.LayerNormalization(
            epsilon=1e-8, dtype=policy, name="norm"
        )
        self.table.build((None, length))
        for layer in (self.positions, *self.blocks, self.norm):
            layer.build((None, length, width))
        self.built = True

    def states(self, features: Mapping[str, Any], training: bool = False) -> Any:
        """What the model knows after each event, `[batch, length, d]`, float32."""
        history = ops.cast(features["history"], "int32")

        def encode(ids: Any) -> Any:
            return self._encoded(ids, training)

        return by_length(encode, history) if self.by_length else encode(history)

    def item_matrix(self) -> Any:
        """The table that histories are read with, `[items, d]`."""
        return self.table.matrix()

    def loss(
        self,
        batch: Mapping[str, Any],
        stage: str = "train",
        seed: keras.random.SeedGenerator | None = None,
    ) -> Any:
        """Mean cross-entropy of next items and negatives; see the class."""
        self._check_stage(stage)
        states = self.states(batch, training=True)
        return binary_with_negatives(
            *next_item.logits_with_negatives(self, batch, states, seed),
            next_item.weights(batch),
        )

    def _encoded(self, history: Any, training: bool) -> Any:
        real = ops.not_equal(history, 0)  # [B, L]
        x = self.positions(self.table(history) * math.sqrt(self.params.embedding_dim))
        x = self.drop(x, training=training)
        x = x * ops.expand_dims(ops.cast(real, x.dtype), -1)  # [B, L, d]
        for block in self.blocks:
            x = block(x, real, training=training)
        return ops.cast(self.norm(x), "float32")


def build_sasrec(inputs: Sequence[ModelInput], params: SASRecParams) -> SASRec:
    """The model of a data set's history and items.

    Args:
        inputs: named tensors; the history and the items it is made of are read.
        params: parameters.

    Returns:
        The model.

    Raises:
        ConfigError: there is no history of items.
    """
    return SASRec(*next_item.sizes(inputs, "sasrec"), params)
