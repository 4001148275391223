"""What all models that search the whole catalogue have in common."""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import keras
from keras import ops


class RetrievalModel(keras.Model, abc.ABC):
    """Scores every item by a product of two vectors: the query's and the item's.

    `score(q, i) = query(q) . item_i + b_i`, so that the best items of a request are
    found by one matrix product or by an index of the items' vectors. All weights
    exist once the model is constructed. Everything random in training comes from
    seed generators, the model's own `seed_generator` or those of its layers, whose
    states are among the model's non-trainable variables.

    The same instance is trained (`loss`, stage by stage), evaluated (`scores`) and
    exported (`query`, `item_matrix`, `item_bias`).

    With `by_length` set, as the trainer does where shapes in its graphs may vary, models
    that can do so encode histories of about one length together.

    Args:
        items: rows of the item table; row 0 is padding and is no item.
        length: places of a history; 0 of models that read none.

    Input shape:
        Dict of int32 or int64 tensors, by name: `history`, `[batch, length]`, oldest
        first, padded with 0 on any side; or `user`, `[batch]`; and what else the
        class says.

    Output shape:
        `[batch, items]`, float32: what `scores` gives.

    Raises:
        ValueError: there are no items, or `length` is negative.
    """

    pads: ClassVar[Literal["left", "right"]] = "left"
    """The side on which a history is padded inside the model; inputs may differ."""
    reads: ClassVar[tuple[str, ...]] = ("history",)
    """What `query` needs of `history` and `user`."""
    stages: ClassVar[tuple[str, ...]] = ("train",)
    """The stages of training, in their order."""
    negatives_per_position: int = 0
    """Negatives a target that `loss` wants in its batch; 0: it draws its own."""

    def __init__(self, items: int, length: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        del self.loss  # what Keras would compile; it hides the method of that name
        if items < 2:
            raise ValueError(
                f"`items` must be 2 or more, row 0 being padding. Received: {items}"
            )
        if length < 0:
            raise ValueError(f"`length` must not be negative. Received: {length}")
        self.items = items
        self.length = length
        self.by_length = False
        self.seed_generator = keras.random.SeedGenerator()

    @abc.abstractmethod
    def query(self, features: Mapping[str, Any], training: bool = False) -> Any:
        """The vectors of requests, `[batch, d]`, float32."""

    @abc.abstractmethod
    def item_matrix(self) -> Any:
        """The vectors of all items, `[items, d]`, float32; row 0 is zeros."""

    @abc.abstractmethod
    def loss(
        self,
        batch: Mapping[str, Any],
        stage: str = "train",
        seed: keras.random.SeedGenerator | None = None,
    ) -> Any:
        """The loss of a batch, a scalar in float32.

        Args:
            batch: `history`, `[batch, length]`, padded on the left, what the model
                reads at each place; `target`, `[batch, length]`, the next item of
                each place, 0 where there is none; `user`, `[batch]`; and, where
                `negatives_per_position` is not 0, `negatives`, `[batch, length]` or
                `[batch, length, n]`.
            stage: one of `stages`.
            seed: where random numbers come from; the model's own when None.
        """

    def item_bias(self) -> Any:
        """What is added to the scores of the items, `[items]`; None for nothing."""
        return None

    def adapt(self, counts: Any) -> None:
        """Takes in, before training, how often each item is a target, `[items]`.

        Models that draw popular negatives, or correct for it, override it.
        """

    def scores(self, features: Mapping[str, Any]) -> Any:
        """Scores of all items, `[batch, items]`, float32; of padding minus infinity."""
        scores = ops.matmul(self.query(features), ops.transpose(self.item_matrix()))
        bias = self.item_bias()
        if bias is not None:
            scores = scores + bias
        is_padding = ops.equal(ops.arange(self.items), 0)
        return ops.where(is_padding, -float("inf"), scores)

    def call(self, inputs: Mapping[str, Any], training: bool = False) -> Any:
        """What `scores` gives."""
        return self.scores(inputs)

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            "name": self.name,
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
            "items": self.items,
            "length": self.length,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> "RetrievalModel":
        """The model that `get_config` tells of."""
        return cls(**config)

    def _check_stage(self, stage: str) -> None:
        if stage not in self.stages:
            raise ValueError(
                f"`stage` must be one of {', '.join(self.stages)}. Received: {stage}"
            )
