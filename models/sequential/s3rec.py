"""Next items by an encoder that learns from attributes and gaps first: S3Rec."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.layers.by_length import by_length
from clickwright.models.layers.item_attributes import ItemAttributes
from clickwright.models.layers.item_embedding import ItemEmbedding
from clickwright.models.layers.post_norm_encoder import PostNormEncoder
from clickwright.models.losses.attribute_cross_entropy import attribute_cross_entropy
from clickwright.models.losses.binary_with_negatives import binary_with_negatives
from clickwright.models.losses.doubly_squashed import doubly_squashed
from clickwright.models.sequential import next_item, parts
from clickwright.models.sequential.next_item_model import NextItemModel
from clickwright.models.sequential.s3rec_corruption import S3RecCorruption
from clickwright.models.sequential.s3rec_params import S3RecParams
from clickwright.schemas.model_input import ModelInput


@keras.saving.register_keras_serializable(package="clickwright")
class S3Rec(NextItemModel):
    """Self-supervised sequential recommendation, as in the authors' code.

    `state = encoder(history)`, a `PostNormEncoder`; `score(item) = state . T[item]`.

    The stage `pretrain` looks at beginnings of histories from both sides, with items
    masked, and adds up, each with a dense layer `W` of its own and its weight:

    * AAP: which attributes the items have that are shown, by `W state . A[a]`;
    * MAP: the same of the masked ones;
    * MIP: each masked item against one that is not in the history, by `W state . T`;
    * SP: with a segment masked, the last state against the last state of the segment
      alone and of another segment of the batch.

    MIP and SP squash twice (`doubly_squashed`). Sums over places and attributes are
    divided by the rows of the batch, where the authors add those up too; the steps of
    Adam are the same.

    The stage `train` looks back alone, and tells at every place the next item from one
    negative. Without pre-training this is what the authors' tables call SASRec, whose
    own code is another model: see `SASRec`.

    The authors take every beginning of every history in an epoch; here an epoch takes
    one of each history, drawn anew, and is shorter by the mean length of a history.
    Rows of one event have no segment and are left out of SP, which is constant there.
    An item of the history that is drawn as a negative is left out of MIP; the authors
    draw again.

    With `V` rows of items, `A` of attributes and length `L`, parameters number, beside
    the encoder's, 0 without pre-training, else `d + A d + 4 (d^2 + d)`: a row for the
    mask, the attributes, four dense layers.

    Args:
        items: rows of the item table; row 0 is padding.
        length: places of a history, `L`.
        params: `S3RecParams`, or a dict of them.
        attributes: inputs of kind `attribute` that are looked up by item. Their frozen
            tables have layers named after them, as `ItemAttributes` says. None are
            needed where only the stage `train` is.

    References:
        Zhou et al., S3-Rec, CIKM 2020; RUCAIBox/CIKM2020-S3Rec.
    """

    params_class = S3RecParams
    negatives_per_position = 1

    def __init__(
        self,
        items: int,
        length: int,
        params: S3RecParams | Mapping[str, Any] | None = None,
        attributes: Sequence[ModelInput | Mapping[str, Any]] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(items, length, params, **kwargs)
        p, policy = self.params, self.dtype_policy
        width = p.embedding_dim
        self.encoder = PostNormEncoder(
            items + p.pretraining,
            width,
            p.blocks,
            p.heads,
            4 * width,
            p.dropout,
            p.attention_dropout,
            dtype=policy,
            name="encoder",
        )
        self.encoder.build((None, length))
        self.attributes: tuple[ModelInput, ...] = ()
        self.looked_up: list[ItemAttributes] = []
        self.attribute_tables: list[ItemEmbedding] = []
        self.tasks: dict[str, keras.layers.Dense] = {}
        if p.pretraining:
            self.attributes = tuple(ModelInput.of(i) for i in attributes)
            self._add_pretraining(width)
        self.built = True

    @property
    def stages(self) -> tuple[str, ...]:  # type: ignore[override]
        """`pretrain`, if the parameters say so, and `train`."""
        return ("pretrain", "train") if self.params.pretraining else ("train",)

    @property
    def mask(self) -> int:
        """The id that hides an item, past the last one."""
        return self.items

    @property
    def table(self) -> ItemEmbedding:
        """The items, and the mask."""
        return self.encoder.table

    def states(self, features: Mapping[str, Any], training: bool = False) -> Any:
        """What the model knows after each event, `[batch, length, d]`, float32."""
        history = ops.cast(features["history"], "int32")
        return self._encoded(history, causal=True, training=training)

    def item_matrix(self) -> Any:
        """The table that histories are read with, `[items, d]`."""
        return self.table.matrix(self.items)

    def loss(
        self,
        batch: Mapping[str, Any],
        stage: str = "train",
        seed: keras.random.SeedGenerator | None = None,
    ) -> Any:
        """The stage's loss; see the class."""
        self._check_stage(stage)
        seed = seed or self.seed_generator
        if stage == "train":
            states = self.states(batch, training=True)
            return binary_with_negatives(
                *next_item.logits_with_negatives(self, batch, states, seed),
                next_item.weights(batch),
            )
        drawn = S3RecCorruption.draw(
            next_item.whole(batch), self.mask, self.params.mask_share, seed
        )
        p = self.params
        losses = self.pretraining_losses(drawn, seed)
        return (
            p.aap_weight * losses["aap"]
            + p.mip_weight * losses["mip"]
            + p.map_weight * losses["map"]
            + p.sp_weight * losses["sp"]
        )

    def pretraining_losses(
        self,
        drawn: S3RecCorruption,
        seed: keras.random.SeedGenerator,
        training: bool = True,
    ) -> dict[str, Any]:
        """The losses `aap`, `mip`, `map` and `sp` of a batch, scalars.

        Args:
            drawn: what is hidden.
            seed: draws the items that masked ones are told from.
            training: whether dropout is on.
        """
        # The four kinds of rows go through the encoder in one batch.
        together = ops.concatenate(
            [drawn.shown, drawn.hole, drawn.segment, drawn.other], axis=0
        )
        states = self._encoded(together, causal=False, training=training)
        shown, *rest = ops.split(states, 4, axis=0)
        masked = ops.equal(drawn.shown, self.mask)
        rows = ops.cast(ops.shape(drawn.items)[0], "float32")
        aap, map_ = self._attribute_losses(shown, masked, drawn.items)
        sums = {
            "aap": aap,
            "map": map_,
            "mip": self._item_loss(shown, masked, drawn.items, seed),
            "sp": self._segment_loss(rest, drawn.segmented),
        }
        return {name: value / rows for name, value in sums.items()}

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        attributes = [i.to_dict() for i in self.attributes]
        return {**super().get_config(), "attributes": attributes}

    def _add_pretraining(self, width: int) -> None:
        policy = self.dtype_policy
        normal = keras.initializers.TruncatedNormal(stddev=0.02)
        for i in self.attributes:
            looked_up = ItemAttributes(self.items, i.length or 1, name=i.name)
            looked_up.build((None, self.length))
            self.looked_up.append(looked_up)
            table = ItemEmbedding(
                i.rows or 1, width, normal, dtype=policy, name=f"{i.name}_embedding"
            )
            table.build((None,))
            self.attribute_tables.append(table)
        for name in ("aap", "mip", "map", "sp"):
            dense = keras.layers.Dense(
                width, kernel_initializer=normal.clone(), dtype=policy, name=name
            )
            dense.build((None, self.length, width))
            self.tasks[name] = dense

    def _encoded(self, ids: Any, causal: bool, training: bool) -> Any:
        def encode(ids: Any) -> Any:
            encoded = self.encoder(ids, causal=causal, training=training)
            return ops.cast(encoded, "float32")

        return by_length(encode, ids) if self.by_length else encode(ids)

    def _attribute_losses(self, states: Any, masked: Any, items: Any) -> Sequence[Any]:
        """The cross-entropies of all attributes: of items shown, and of masked ones."""
        items = ops.reshape(items, (-1,))
        masked = ops.reshape(masked, (-1,))
        states = ops.reshape(states, (-1, states.shape[-1]))
        if self.by_length:  # padding would cost as many products with the attributes
            (real,) = ops.nonzero(items)
            items, masked, states = (
                ops.take(x, real, axis=0) for x in (items, masked, states)
            )
        # A place is in AAP or in MAP, so one product with the table serves both.
        projected = ops.where(
            ops.expand_dims(masked, -1),
            ops.cast(self.tasks["map"](states), "float32"),
            ops.cast(self.tasks["aap"](states), "float32"),
        )
        losses = ops.zeros_like(projected[..., 0])
        for looked_up, table in zip(self.looked_up, self.attribute_tables, strict=True):
            logits = ops.matmul(projected, ops.transpose(table.matrix()))
            losses = losses + attribute_cross_entropy(logits, looked_up(items))
        real = ops.not_equal(items, 0)
        return [
            ops.sum(ops.where(ops.logical_and(real, of), losses, 0.0))
            for of in (ops.logical_not(masked), masked)
        ]

    def _item_loss(
        self, states: Any, masked: Any, items: Any, seed: keras.random.SeedGenerator
    ) -> Any:
        negative = keras.random.randint(
            ops.shape(items), 1, self.items, dtype="int32", seed=seed
        )
        own = ops.equal(ops.expand_dims(negative, 2), ops.expand_dims(items, 1))
        counts = ops.logical_and(masked, ops.logical_not(ops.any(own, axis=2)))
        projected = ops.cast(self.tasks["mip"](states), "float32")
        logits = (
            ops.sum(projected * ops.cast(self.table(ids), "float32"), axis=-1)
            for ids in (items, negative)
        )
        return ops.sum(doubly_squashed(*logits) * ops.cast(counts, "float32"))

    def _segment_loss(self, states: Sequence[Any], segmented: Any) -> Any:
        context, segment, other = (x[:, -1] for x in states)
        projected = ops.cast(self.tasks["sp"](context), "float32")
        losses = doubly_squashed(
            ops.sum(projected * segment, axis=-1), ops.sum(projected * other, axis=-1)
        )
        return ops.sum(losses * ops.cast(segmented, "float32"))


def build_s3rec(inputs: Sequence[ModelInput], params: S3RecParams) -> S3Rec:
    """The model of a data set's history, items and their attributes.

    Args:
        inputs: named tensors; the history, the items it is made of and their
            attributes are read.
        params: parameters.

    Returns:
        The model.

    Raises:
        ConfigError: there is no history of items.
    """
    found = parts.sequence_inputs(inputs, "s3rec")
    return S3Rec(*next_item.sizes(inputs, "s3rec"), params, found.attributes)
