"""The first-order term: one weight a feature value."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from clickwright.models.layers.fused_embedding import FusedEmbedding
from clickwright.models.layers.table_compression import TableCompression
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.numeric_encoding import LinearEncoding


@keras.saving.register_keras_serializable(package="clickwright")
class LinearTerm(keras.layers.Layer):
    """`b + sum_f w_f`, the logit of a logistic regression.

    An `id` input adds the weight of its id, a `value` input its value times its
    weight, 0 where it is missing; encoded by `buckets` or `piecewise_linear`, the
    weight that its encoder gives, of its bucket or between those of two boundaries.
    An `id_set` or `sequence` adds the *sum* of the weights of its ids, as though
    each were a feature of its own, unlike the mean that embeddings are pooled by; so
    does an `attribute`. A `vector` adds its product with a weight vector of its own,
    which has no penalty. Runs in float32. It takes users' inputs of batch 1 beside
    items' inputs of a larger batch, and then looks the user's up once.

    Args:
        inputs: the inputs.
        use_bias: whether there is a `b`.
        embeddings_initializer: initializer of the weights.
        embeddings_regularizer: regularizer of the weights, the bias excluded.
        compression: see `FusedEmbedding`.
        min_frequency: see `FusedEmbedding`.

    Input shape:
        Dict of `[batch]`, `[batch, length]` and `[batch, width]` tensors, by name.

    Output shape:
        `[batch, 1]`.
    """

    mixes_batches: ClassVar[bool] = True

    def __init__(
        self,
        inputs: Sequence[ModelInput | Mapping[str, Any]],
        use_bias: bool = True,
        embeddings_initializer: Any = "zeros",
        embeddings_regularizer: Any = None,
        compression: TableCompression | Mapping[str, Any] | None = None,
        min_frequency: int = 0,
        dtype: Any = "float32",
        **kwargs: Any,
    ) -> None:
        super().__init__(dtype=dtype, **kwargs)
        self.use_bias = use_bias
        self.weights_table = FusedEmbedding(
            [_first_order(ModelInput.of(i)) for i in inputs],
            width=1,
            pooling="sum",
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            compression=compression,
            min_frequency=min_frequency,
            dtype=dtype,
            name="weights",
        )

    def build(self, input_shape: Any) -> None:
        """Makes the `[V, 1]` table and the bias."""
        self.weights_table.build(input_shape)
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(1,), initializer="zeros")

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        """Adds the weights of all fields."""
        own = {i.name: inputs[i.name] for i in self.weights_table.inputs}
        items = {name for name, x in own.items() if x.shape[0] != 1}
        if len(items) in (0, len(own)):
            fields = self.weights_table(own, training=training)  # [B, F, 1]
            logit = ops.sum(fields, axis=1)  # [B, 1]
        else:
            items = self.weights_table.with_encoded(items)
            of_user, of_items = self.weights_table.sides(own, items)
            logit = ops.sum(of_items, axis=1)  # [N, 1]
            if of_user is not None:
                logit += ops.sum(of_user, axis=1)
        return logit + self.bias if self.use_bias else logit

    def compute_output_shape(
        self, input_shape: Mapping[str, Any]
    ) -> tuple[int | None, int]:
        """`[batch, 1]`."""
        batches = [input_shape[i.name][0] for i in self.weights_table.inputs]
        return (next((b for b in batches if b != 1), 1), 1)

    def get_config(self) -> dict[str, Any]:
        """All arguments; inputs as plain dicts."""
        table = self.weights_table.get_config()
        return {
            **super().get_config(),
            "inputs": [i.to_dict() for i in self.weights_table.inputs],
            "use_bias": self.use_bias,
            "embeddings_initializer": table["embeddings_initializer"],
            "embeddings_regularizer": table["embeddings_regularizer"],
            "compression": table["compression"],
            "min_frequency": table["min_frequency"],
        }


def _first_order(model_input: ModelInput) -> ModelInput:
    """The input, linear in its value unless each of its bins can have a weight."""
    encoding = model_input.numeric
    if encoding is None or encoding.kind in ("buckets", "piecewise_linear"):
        return model_input
    return dataclasses.replace(model_input, numeric=LinearEncoding())
