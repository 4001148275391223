"""The parts that the click models are put together from, with published settings.

Kernels start Glorot-normal, biases at zero, tables normal with a small deviation; all
tables carry the L2 penalty of the parameters.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras
import keras_rs

from clickwright.models.ctr.embedding_params import EmbeddingParams
from clickwright.models.ctr.tower_params import TowerParams
from clickwright.models.layers.fused_embedding import FusedEmbedding
from clickwright.models.layers.item_attributes import ItemAttributes
from clickwright.models.layers.item_vectors import ItemVectors
from clickwright.models.layers.linear_term import LinearTerm
from clickwright.models.layers.mlp import MLP
from clickwright.models.layers.probability import Probability
from clickwright.schemas.errors import ConfigError, did_you_mean
from clickwright.schemas.model_input import ModelInput

LOGITS = "logits"
"""Output of models with several logits, `[batch, K]`; their loss takes it."""


def symbolic_inputs(inputs: Sequence[ModelInput]) -> dict[str, Any]:
    """Returns one symbolic tensor an input, by name.

    A `keras.Input` is `[batch]` for `id` (int64) and `value` (float32), and `[batch,
    length]`, int64, for `id_set` and `sequence`. An `attribute` (int32 `[batch,
    length]`) and a `vector` (float32 `[batch, width]`) are what a layer of the input's
    name looks up for the ids of its entity; `lookup` gives that layer.

    Raises:
        ConfigError: the entity of an attribute or vector is not among the inputs.
    """
    features = {
        i.name: keras.Input(
            shape=() if i.length is None else (i.length,),
            dtype="float32" if i.kind == "value" else "int64",
            name=i.name,
        )
        for i in inputs
        if i.is_tensor
    }
    for i in inputs:
        if not i.is_tensor:
            if i.entity not in features:
                raise ConfigError(
                    f"`{i.name}` is looked up by `{i.entity}`, which is no input of "
                    f"the model.{did_you_mean(i.entity or '', features)}",
                    where=f"features.{i.name}.of",
                    fix="keep both features, or leave both out",
                )
            features[i.name] = _item_table(i)(features[i.entity])
    return {i.name: features[i.name] for i in inputs}


def _item_table(model_input: ModelInput) -> keras.layers.Layer:
    """The layer that looks up what an item table holds."""
    rows = model_input.entities or 0
    if model_input.kind == "attribute":
        return ItemAttributes(rows, model_input.length or 0, name=model_input.name)
    return ItemVectors(
        rows,
        model_input.width or 0,
        model_input.storage,
        model_input.dropout,
        name=model_input.name,
    )


def lookup(features: Mapping[str, Any], name: str) -> keras.layers.Layer:
    """The layer that looks up the attribute or vector `name`, for further ids.

    Args:
        features: what `symbolic_inputs` gave.
        name: an input of the kind `attribute` or `vector`.
    """
    return features[name]._keras_history.operation


def embed(
    features: Mapping[str, Any],
    inputs: Sequence[ModelInput],
    params: EmbeddingParams,
    name: str = "embeddings",
    width: int | None = None,
    pooling: Literal["mean", "sum"] = "mean",
) -> Any:
    """Embeddings of all inputs, `[batch, F, D]`; `width` stands for another `D`."""
    return FusedEmbedding(
        inputs,
        width=width or params.embedding_dim,
        pooling=pooling,
        embeddings_initializer=keras.initializers.RandomNormal(
            stddev=params.embedding_stddev
        ),
        embeddings_regularizer=keras.regularizers.L2(params.l2 / 2),
        compression=params.compression,
        min_frequency=params.min_frequency,
        name=name,
    )(features)


def linear(
    features: Mapping[str, Any],
    inputs: Sequence[ModelInput],
    params: EmbeddingParams,
    use_bias: bool = False,
) -> Any:
    """The first-order term `sum_f w_f`, `[batch, 1]`."""
    return LinearTerm(
        inputs,
        use_bias=use_bias,
        embeddings_initializer=keras.initializers.RandomNormal(
            stddev=params.embedding_stddev
        ),
        embeddings_regularizer=keras.regularizers.L2(params.l2 / 2),
        compression=params.compression,
        min_frequency=params.min_frequency,
        name="linear",
    )(features)


def need_pairs(inputs: Sequence[ModelInput], name: str) -> None:
    """Checks that there are two inputs or more.

    Raises:
        ConfigError: there are not.
    """
    if len(inputs) < 2:
        raise ConfigError(
            f"The model `{name}` is made of pairs of inputs and has {len(inputs)}.",
            where="features",
            fix="give the feature spec at least two features that models read",
        )


def flatten(embeddings: Any) -> Any:
    """`[batch, F, D]` to `[batch, F * D]`, all values of the first field first."""
    return keras.layers.Flatten(name="flatten")(embeddings)


def tower(
    x: Any, params: TowerParams, name: str = "tower", layer_norm: bool = False
) -> Any:
    """The dense tower, `[batch, N]` to `[batch, h_n]`."""
    return MLP(
        params.hidden_units,
        activation=params.activation,
        batch_norm=params.batch_norm,
        dropout=params.dropout,
        layer_norm=layer_norm,
        name=name,
    )(x)


def concatenate(xs: Sequence[Any], name: str = "concatenate") -> Any:
    """All values of the first tensor first, `[batch, sum of N]`."""
    if len(xs) == 1:
        return xs[0]
    return keras.layers.Concatenate(name=name)(list(xs))


def cross(x0: Any, x: Any, name: str) -> Any:
    """One full-matrix cross layer, `x0 * (W x + b) + x`, all `[batch, N]`."""
    return keras_rs.layers.FeatureCross(kernel_initializer="glorot_normal", name=name)(
        x0, x
    )


def head(x: Any, name: str = "head") -> Any:
    """A logit, `[batch, 1]`, by one float32 dense layer."""
    return head_layer(name)(x)


def head_layer(name: str = "head") -> keras.layers.Layer:
    """The layer of `head`, for models that apply one layer several times."""
    return keras.layers.Dense(
        1, kernel_initializer="glorot_normal", dtype="float32", name=name
    )


def add(terms: Sequence[Any]) -> Any:
    """The sum of logits, `[batch, 1]`, in float32."""
    return keras.layers.Add(dtype="float32", name="logit")(list(terms))


def click_model(
    features: Mapping[str, Any], logit: Any, name: str, logits: Any = None
) -> keras.Model:
    """The model, giving `probability`, `[batch]`, the sigmoid of the logit.

    Args:
        features: what `symbolic_inputs` gave.
        logit: `[batch, 1]`.
        name: name of the model.
        logits: `[batch, K]`, where the loss takes several; dropped at export.
    """
    outputs = {"probability": Probability(name="probability")(logit)}
    if logits is not None:
        outputs[LOGITS] = logits
    return keras.Model(tensors(features), outputs, name=name)


def tensors(features: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs that the examples hold, without what item tables hold."""
    return {
        name: tensor
        for name, tensor in features.items()
        if isinstance(tensor._keras_history.operation, keras.layers.InputLayer)
    }
