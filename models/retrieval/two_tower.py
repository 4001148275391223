"""Users and items as vectors of two towers."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.layers.item_embedding import ItemEmbedding
from clickwright.models.layers.item_vectors import ItemVectors
from clickwright.models.layers.mlp import MLP
from clickwright.models.losses.sampled_softmax import sampled_softmax
from clickwright.models.retrieval.retrieval_inputs import RetrievalInputs
from clickwright.models.retrieval.retrieval_model import RetrievalModel
from clickwright.models.retrieval.two_tower_params import TwoTowerParams
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput


@keras.saving.register_keras_serializable(package="clickwright")
class TwoTower(RetrievalModel):
    """One tower for users, one for items; the score is the product of their outputs.

        user(u) = f(U[u]),  item(i) = g(E[i] + sum_v v[i] / |v[i]| W_v)
        score(u, i) = user(u) . item(i)

    `v[i]` are the item's fixed vectors, `W_v` a kernel each without bias; `f` and `g`
    are dense layers with ReLU between them, or nothing; with `normalized`, the outputs
    are divided by their length.

    Within a batch each row's item is a negative of all other rows, unless it is the
    same item. An item comes into a batch by its share `Q(i)` of the training rows, so
    that logits are corrected:

        loss = mean_b -ln( e^{l_bb} / sum_c e^{l_bc} ),
        l_bc = score(u_b, i_c) / temperature - ln Q(i_c)

    Parameters, without dense layers: `(users + items + sum_v width_v) embedding_dim`.

    Args:
        items: rows of the item table; row 0 is padding.
        users: rows of the user table; row 0 is padding.
        params: `TwoTowerParams`, or a dict of them.
        vectors: inputs of kind `vector` that are looked up by item. Their frozen
            tables have layers named after them, as `ItemVectors` says.

    Input shape:
        Dict with `user`, int32 or int64 `[batch]`.

    Output shape:
        `[batch, items]`, float32: scores of the items; of padding minus infinity.

    Raises:
        ValueError: there are no items or users.

    References:
        Yi et al., Sampling-bias-corrected neural modeling for large corpus item
        recommendations, RecSys 2019.
    """

    reads = ("user",)

    def __init__(
        self,
        items: int,
        users: int,
        params: TwoTowerParams | Mapping[str, Any] | None = None,
        vectors: Sequence[ModelInput | Mapping[str, Any]] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(items, 0, **kwargs)
        if users < 2:
            raise ValueError(
                f"`users` must be 2 or more, row 0 being padding. Received: {users}"
            )
        self.users = users
        self.params: Any = (
            params
            if isinstance(params, TwoTowerParams)
            else TwoTowerParams.model_validate(params or {}, strict=False)
        )
        self.vectors = tuple(ModelInput.of(i) for i in vectors)
        p, policy = self.params, self.dtype_policy
        width = p.embedding_dim
        self.user_table = self._table(users, "user")
        self.item_table = self._table(items, "item")
        self.looked_up = [
            ItemVectors(items, int(i.width or 0), i.storage, i.dropout, name=i.name)
            for i in self.vectors
        ]
        self.projections = [
            keras.layers.Dense(
                width,
                use_bias=False,
                kernel_initializer="glorot_normal",
                dtype=policy,
                name=f"{i.name}_projection",
            )
            for i in self.vectors
        ]
        for layer, projection in zip(self.looked_up, self.projections, strict=True):
            layer.build((None,))
            projection.build((None, layer.width))
        self.towers = {side: self._tower(side) for side in ("user", "item")}
        # Only training reads it: no endpoint of an exported model holds it.
        self.log_share = self.add_weight(
            name="log_share",
            shape=(items,),
            initializer="zeros",
            trainable=False,
            dtype="float32",
        )
        self.built = True

    def adapt(self, counts: Any) -> None:
        """Takes in each item's share of the training rows; never seen ones count 1."""
        counts = ops.maximum(ops.cast(counts, "float32"), 1.0)
        self.log_share.assign(ops.log(counts / ops.sum(counts)))

    def query(self, features: Mapping[str, Any], training: bool = False) -> Any:
        """The vectors of users, `[batch, d]`, float32."""
        return self._top("user", self.user_table(features["user"]), training)

    def item_matrix(self) -> Any:
        """The vectors of all items, `[items, d]`, float32."""
        return self._items(ops.arange(self.items))

    def loss(
        self,
        batch: Mapping[str, Any],
        stage: str = "train",
        seed: keras.random.SeedGenerator | None = None,
    ) -> Any:
        """Cross-entropy within the batch; see the class. `target` is `[batch, 1]`."""
        self._check_stage(stage)
        target = ops.cast(batch["target"], "int32")[:, -1]  # [B]
        users = self.query(batch, training=True)  # [B, d]
        items = self._items(target, training=True)
        logits = ops.matmul(users, ops.transpose(items)) / self.params.temperature
        logits -= ops.take(self.log_share, target)  # [B, B]
        other = ops.not_equal(ops.expand_dims(target, 1), target)
        other = ops.logical_and(other, ops.not_equal(target, 0))
        weights = ops.cast(ops.not_equal(target, 0), "float32")
        return sampled_softmax(ops.diagonal(logits), logits, weights, other)

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        config = super().get_config()
        del config["length"]
        return {
            **config,
            "users": self.users,
            "params": self.params.model_dump(mode="json"),
            "vectors": [i.to_dict() for i in self.vectors],
        }

    def _items(self, ids: Any, training: bool = False) -> Any:
        x = self.item_table(ids)  # [N, d]
        for layer, projection in zip(self.looked_up, self.projections, strict=True):
            # Their lengths differ by far more than what an embedding starts with.
            x = x + projection(ops.normalize(layer(ids, training=training), axis=-1))
        real = ops.expand_dims(ops.cast(ops.not_equal(ids, 0), "float32"), -1)
        return self._top("item", x, training) * real

    def _top(self, side: str, x: Any, training: bool) -> Any:
        """The rest of a tower, `[N, d]`, float32."""
        for layer in self.towers[side]:
            x = layer(x, training=training)
        x = ops.cast(x, "float32")
        return ops.normalize(x, axis=-1) if self.params.normalized else x

    def _table(self, rows: int, name: str) -> ItemEmbedding:
        table = ItemEmbedding(
            rows,
            self.params.embedding_dim,
            embeddings_initializer="glorot_normal",
            dtype=self.dtype_policy,
            name=name,
        )
        table.build((None,))
        return table

    def _tower(self, side: str) -> list[keras.layers.Layer]:
        p = self.params
        if not p.hidden_units:
            return []
        layers: list[keras.layers.Layer] = [
            MLP(
                p.hidden_units,
                batch_norm=False,
                dtype=self.dtype_policy,
                name=f"{side}_tower",
            ),
            keras.layers.Dense(
                p.embedding_dim,
                kernel_initializer="glorot_normal",
                dtype=self.dtype_policy,
                name=f"{side}_output",
            ),
        ]
        shape = (None, p.embedding_dim)
        for layer in layers:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        return layers


def build_two_tower(inputs: Sequence[ModelInput], params: TwoTowerParams) -> TwoTower:
    """The model of a data set's users and items.

    Args:
        inputs: what the data set has; the ids of user and item are read, and the
            item's vectors.
        params: parameters.

    Returns:
        The model.

    Raises:
        ConfigError: there is no id of a user, or it is not clear which input is the
            item.
    """
    found = RetrievalInputs.of(inputs)
    if found.user is None:
        raise ConfigError(
            "The model `two_tower` needs the id of a user.",
            where="features",
            fix="give the feature spec a categorical feature of `role: user`",
        )
    vectors = [i for i in inputs if i.kind == "vector" and i.entity == found.item.name]
    return TwoTower(
        int(found.item.rows or 0), int(found.user.rows or 0), params, vectors
    )
