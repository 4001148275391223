"""BERT's encoder of a history of items."""

from typing import Any

import keras
from keras import ops

from clickwright.models.layers.attend import may_look
from clickwright.models.layers.dropout import Dropout
from clickwright.models.layers.item_embedding import ItemEmbedding
from clickwright.models.layers.position_embedding import PositionEmbedding
from clickwright.models.layers.post_norm_block import PostNormBlock


@keras.saving.register_keras_serializable(package="clickwright")
class PostNormEncoder(keras.layers.Layer):
    """Embeds items and places, and runs `PostNormBlock`s over them.

    `x = drop(LN(T[ids] + P))`, then the blocks; no place looks at padding. With width
    `d`, parameters number `rows d + L d + 2 d +
    blocks (4 (d^2 + d) + 2 d inner + inner + d + 4 d)`.

    Args:
        rows: rows of the table, those of padding and of a mask included.
        width: values of an item, `d`.
        blocks: blocks.
        heads: heads of each.
        inner: width of their dense networks.
        dropout: share of the embeddings, and of what residuals add, that is dropped.
        attention_dropout: share of the attention weights that is dropped.
        stddev: standard deviation of all kernels and tables at the start, truncated
            normal.

    Input shape:
        Ids `[batch, L]`; 0 is padding.

    Output shape:
        `[batch, L, width]`.

    References:
        Devlin et al., BERT, NAACL 2019.
    """

    def __init__(
        self,
        rows: int,
        width: int,
        blocks: int,
        heads: int,
        inner: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stddev: float = 0.02,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._arguments = {
            "rows": rows,
            "width": width,
            "blocks": blocks,
            "heads": heads,
            "inner": inner,
            "dropout": dropout,
            "attention_dropout": attention_dropout,
            "stddev": stddev,
        }
        self.width = width
        policy = self.dtype_policy
        normal = keras.initializers.TruncatedNormal
        self.table = ItemEmbedding(
            rows,
            width,
            embeddings_initializer=normal(stddev=stddev),
            dtype=policy,
            name="item",
        )
        self.positions = PositionEmbedding(
            normal(stddev=stddev), dtype=policy, name="positions"
        )
        self.norm = keras.layers.LayerNormalization(
            epsilon=1e-12, dtype=policy, name="norm"
        )
        self.drop = Dropout(dropout, dtype=policy, name="drop")
        self.blocks = [
            PostNormBlock(
                heads,
                inner,
                dropout,
                attention_dropout,
                stddev,
                dtype=policy,
                name=f"block_{n}",
            )
            for n in range(blocks)
        ]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the tables and the blocks."""
        self.table.build(input_shape)
        for layer in (self.positions, self.norm, *self.blocks):
            layer.build((*input_shape, self.width))

    def call(
        self, inputs: Any, causal: bool = False, training: bool | None = None
    ) -> Any:
        """Encodes; if `causal`, no place looks at later ones."""
        x = self.norm(self.positions(self.table(inputs)))
        x = self.drop(x, training=training)
        allowed = may_look(ops.not_equal(inputs, 0), causal)
        for block in self.blocks:
            x = block(x, allowed, training=training)
        return x

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """`[batch, L, width]`."""
        return (*input_shape, self.width)

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), **self._arguments}
