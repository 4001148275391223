"""Next items by recurrent networks: GRU4Rec."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.layers.dropout import Dropout
from clickwright.models.layers.gather_rows import gather_rows
from clickwright.models.layers.item_embedding import ItemEmbedding
from clickwright.models.layers.negative_sampler import NegativeSampler
from clickwright.models.layers.pack_history import pack_history
from clickwright.models.losses.bpr_max import bpr_max
from clickwright.models.losses.sampled_softmax import sampled_softmax
from clickwright.models.sequential import next_item
from clickwright.models.sequential.gru4rec_params import GRU4RecParams
from clickwright.models.sequential.next_item_model import NextItemModel
from clickwright.schemas.model_input import ModelInput


@keras.saving.register_keras_serializable(package="clickwright")
class GRU4Rec(NextItemModel):
    """GRUs over the history; items are read and scored by one table.

        x_t = drop(T[item_t]);  h_t = GRU(x_t, h_{t-1}), layer by layer, each dropped
        score(item) = h . T[item] + b[item]

    At every place the next item is told from the next items that the other rows of
    the batch have there, and from items drawn by popularity for the whole batch: by
    cross-entropy, with the logarithms of counts taken from the logits (of drawn ones
    `alpha` times them), or by BPR-max. The loss is the mean over all places.

    The authors train on parallel sessions, one step a batch, without gradients
    through time; here a batch is whole histories, and gradients go through all steps.
    What is served, a GRU over the latest events from a state of zeros, is the same.
    With `V` rows of items and units `h`, parameters number
    `V (d + 1) + sum_l 3 (h_{l-1} h_l + h_l^2 + 2 h_l)`, `h_0 = d`.

    Args:
        items: rows of the item table; row 0 is padding.
        length: places of a history.
        params: `GRU4RecParams`, or a dict of them.

    References:
        Hidasi and Karatzoglou, Recurrent Neural Networks with Top-k Gains, CIKM 2018;
        hidasib/GRU4Rec_PyTorch_Official.
    """

    params_class = GRU4RecParams
    # The GRU starts at the first event, and padding comes after the last one.
    pads = "right"

    def __init__(
        self,
        items: int,
        length: int,
        params: GRU4RecParams | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(items, length, params, **kwargs)
        p, policy = self.params, self.dtype_policy
        self.table = ItemEmbedding(
            items,
            p.embedding_dim,
            embeddings_initializer=_uniform(items, p.embedding_dim),
            dtype=policy,
            name="item",
        )
        self.table.build((None, length))
        self.bias = self.add_weight(
            name="item_bias", shape=(items,), initializer="zeros", autocast=False
        )
        self.sampler = NegativeSampler(items, p.alpha, name="sampler")
        self.sampler.build()
        self.drop_embedding = Dropout(
            p.embedding_dropout, dtype=policy, name="drop_embedding"
        )
        self.layers_of_units: list[tuple[keras.layers.GRU, Dropout]] = []
        width = p.embedding_dim
        for n, units in enumerate(p.units):
            gru = keras.layers.GRU(
                units,
                return_sequences=True,
                kernel_initializer=_uniform(width, units),
                recurrent_initializer=_uniform(units, units),
                dtype=policy,
                name=f"gru_{n}",
            )
            gru.build((None, length, width))
            self.layers_of_units.append(
                (gru, Dropout(p.dropout, dtype=policy, name=f"drop_{n}"))
            )
            width = units
        self.built = True

    def states(self, features: Mapping[str, Any], training: bool = False) -> Any:
        """What the model knows after each event, `[batch, length, d]`, float32."""
        x = self.drop_embedding(self.table(features["history"]), training=training)
        for gru, drop in self.layers_of_units:
            x = drop(gru(x, training=training), training=training)
        return ops.cast(x, "float32")

    def query(self, features: Mapping[str, Any], training: bool = False) -> Any:
        """The state at the last event; of an empty history the first state, zeros."""
        features = self.aligned(features)
        last = self.last(self.states(features, training), features["history"])
        some = ops.any(ops.not_equal(features["history"], 0), axis=1, keepdims=True)
        return ops.where(some, last, 0.0)

    def item_matrix(self) -> Any:
        """The table that histories are read with, `[items, d]`."""
        return self.table.matrix()

    def item_bias(self) -> Any:
        """What is added to the scores, `[items]`."""
        return ops.convert_to_tensor(self.bias)

    def adapt(self, counts: Any) -> None:
        """Takes in how often each item is a target; negatives are drawn by it."""
        self.sampler.count(counts)

    def loss(
        self,
        batch: Mapping[str, Any],
        stage: str = "train",
        seed: keras.random.SeedGenerator | None = None,
    ) -> Any:
        """The loss of next items among a sample; see the class."""
        self._check_stage(stage)
        history, target = pack_history(
            ops.cast(batch["history"], "int32"),
            "right",
            ops.cast(batch["target"], "int32"),
        )
        # A place's next items are each other's negatives, so places come first.
        states = ops.transpose(self.states({"history": history}, True), (1, 0, 2))
        weights = ops.transpose(
            next_item.weights({"history": history, "target": target})
        )  # [L, B]
        target = ops.transpose(target)
        own = self._scores(states, target)  # [L, B, B]: by row, then whose next item
        positive = ops.diagonal(own, axis1=1, axis2=2)  # [L, B]
        rows = ops.arange(ops.shape(target)[1])
        takes_part = ops.logical_and(
            ops.expand_dims(weights, 1) > 0,
            ops.not_equal(ops.expand_dims(rows, 1), rows),
        )  # [L, B, B]
        drawn = self.sampler.draw(self.params.negatives, seed or self.seed_generator)
        others = self._scores(states, drawn)  # [L, B, n]
        if self.params.loss == "cross_entropy" and self.params.logq:
            logs = self.params.logq * self.sampler.log_counts(target)  # [L, B]
            positive = positive - logs
            own = own - ops.expand_dims(logs, 1)
            others = others - self.params.logq * self.params.alpha * (
                self.sampler.log_counts(drawn)
            )
        all_part = ops.ones_like(others, dtype="bool")
        if self.params.remove_hits:
            mine = ops.expand_dims(target, -1)  # [L, B, 1]
            takes_part = ops.logical_and(
                takes_part, ops.not_equal(mine, ops.expand_dims(target, 1))
            )
            all_part = ops.not_equal(mine, drawn)
        negative = ops.concatenate([own, others], axis=-1)
        takes_part = ops.concatenate([takes_part, all_part], axis=-1)
        if self.params.loss == "cross_entropy":
            return sampled_softmax(positive, negative, weights, takes_part)
        return bpr_max(
            positive,
            negative,
            weights,
            takes_part,
            self.params.bpreg,
            self.params.elu,
        )

    def _scores(self, states: Any, ids: Any) -> Any:
        """Scores of `ids`, `[n]` or `[L, n]`, by `[L, B, d]`: `[L, B, n]`."""
        rows = ops.cast(self.table(ids), "float32")
        last = len(rows.shape) - 1
        turned = ops.transpose(rows, (*range(last - 1), last, last - 1))
        bias = gather_rows(self.bias, ids)
        return ops.matmul(states, turned) + ops.expand_dims(bias, -2)


def build_gru4rec(inputs: Sequence[ModelInput], params: GRU4RecParams) -> GRU4Rec:
    """The model of a data set's history and items.

    Args:
        inputs: named tensors; the history and the items it is made of are read.
        params: parameters.

    Returns:
        The model.

    Raises:
        ConfigError: there is no history of items.
    """
    return GRU4Rec(*next_item.sizes(inputs, "gru4rec"), params)


def _uniform(fan_in: int, fan_out: int) -> keras.initializers.Initializer:
    """The authors' Glorot, of each gate by itself."""
    bound = math.sqrt(6.0 / (fan_in + fan_out))
    return keras.initializers.RandomUniform(-bound, bound)
