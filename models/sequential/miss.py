"""MISS: a self-supervised loss added to a click model of a history."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models import registry
from clickwright.models.ctr.parts import LOGITS
from clickwright.models.layers.interest_contrast import InterestContrast
from clickwright.models.layers.sequence_embedding import SequenceEmbedding
from clickwright.models.losses.loss import Loss
from clickwright.models.sequential.miss_params import MISSParams
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput


def build_miss(inputs: Sequence[ModelInput], params: MISSParams) -> keras.Model:
    """The model `base`, whose embeddings `InterestContrast` teaches in training.

    The contrast reads the history as the base has embedded it, `J` fields of
    `embedding_dim` values. It stands between the base's logits and its loss, in a layer
    called `ssl`, and is no part of what is exported: there the model is its base. It is
    the base itself where both weights are 0.

    Args:
        inputs: what the model reads, by name.
        params: parameters.

    Returns:
        The base with the output `logits`, which carries the contrast.

    Raises:
        ConfigError: there is no history of an item that the inputs name, or it leaves
            nothing to contrast.

    References:
        Guo et al., MISS: Multi-Interest Self-Supervised Learning for Click-Through
        Rate Prediction, ICDE 2022 (arXiv 2111.15068).
    """
    own = params.of_base
    base = registry.build(params.base, inputs, own)
    if "history" in own.without or not (
        params.interest_weight or params.feature_weight
    ):
        return base
    embedding = next(x for x in base.layers if isinstance(x, SequenceEmbedding))
    ids = base.input[embedding.history[0].name]
    logits = base.output.get(LOGITS, base.get_layer("probability").input)
    try:
        contrasted = InterestContrast(
            fields=len(embedding.target),
            widths=params.widths,
            heights=params.heights,
            distance=params.distance,
            temperature=params.temperature,
            interest_weight=params.interest_weight,
            feature_weight=params.feature_weight,
            projection=params.projection,
            activation=params.kernel_activation,
            feature_pairs=params.feature_pairs,
            name="ssl",
        )(
            {
                "logits": logits,
                "history": _history(embedding),
                "ids": ids,
                "mask": ops.cast(ops.not_equal(ids, 0), "float32"),
            }
        )
    except ValueError as error:
        raise ConfigError(
            f"MISS cannot be added: {error}",
            where="model.params",
            fix="give the history a `max_length` of 2 or more, and what is contrasted "
            "a weight above 0",
        ) from error
    return keras.Model(base.input, {**base.output, LOGITS: contrasted}, name="miss")


def _history(embedding: SequenceEmbedding) -> Any:
    """The embedded history, `[B, L, J * D]`: Keras lists outputs by their keys."""
    shapes = embedding.compute_output_shape(
        {i.name: (None, None) for i in embedding.inputs}
    )
    return embedding.output[sorted(shapes).index("history")]


def miss_loss(params: MISSParams) -> Loss:
    """The loss of the base; the contrasts come to it by themselves."""
    return registry.loss(params.base, params.base_params)
