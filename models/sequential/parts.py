"""The parts that models of a history are put together from, beside `ctr.parts`."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.ctr import parts
from clickwright.models.layers.sequence_embedding import (
    HISTORY,
    PLACES,
    SequenceEmbedding,
)
from clickwright.models.sequential.embedded import Embedded
from clickwright.models.sequential.history_params import HistoryParams
from clickwright.models.sequential.sequence_inputs import SequenceInputs
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput


def sequence_inputs(inputs: Sequence[ModelInput], model_name: str) -> SequenceInputs:
    """Sorts the inputs of a model of a history.

    The history is the first sequence whose target is there, the `id` input that the
    sequence's table is named after. Further histories are context.

    Raises:
        ConfigError: there is none.
    """
    ids = {i.name: i for i in inputs if i.kind == "id"}
    histories = [i for i in inputs if i.kind == "sequence" and i.side_of is None]
    history = next((i for i in histories if i.table in ids), None)
    if history is None:
        found = ", ".join(f"`{i.name}` of `{i.table}`" for i in histories) or "none"
        raise ConfigError(
            f"The model `{model_name}` needs a history and the item that it leads to, "
            f"and has these sequences: {found}.",
            where="features",
            fix="give the feature spec a feature of `kind: sequence` whose `of` names "
            "a categorical feature",
        )
    target = ids[history.table or ""]
    sides = tuple(
        (i, ids.get(i.table or "")) for i in inputs if i.side_of == history.name
    )
    own = [i for i in inputs if i.entity == target.name]
    taken = {history, target, *own, *(i for pair in sides for i in pair)}
    return SequenceInputs(
        history=history,
        target=target,
        sides=sides,
        attributes=tuple(i for i in own if i.kind == "attribute"),
        vectors=tuple(i for i in own if i.kind == "vector"),
        context=tuple(i for i in inputs if i not in taken),
    )


def embed(
    features: Mapping[str, Any],
    inputs: Sequence[ModelInput],
    params: HistoryParams,
    model_name: str = "sequence",
    name: str = "embeddings",
    zero_padding: bool = False,
    sequences: Sequence[ModelInput] = (),
) -> Embedded:
    """Embeds target, history and context, from one table by one gather.

    An item's `d` values are `D` of its id, of each side that the target has too, of
    each attribute (the mean over them) and of each vector (by a bias-free kernel that
    target and history share). `params.without` leaves parts of it out.

    Args:
        features: what `ctr.parts.symbolic_inputs` gave.
        inputs: what the model reads.
        params: parameters.
        model_name: name of the model, for messages.
        name: name of the layer.
        zero_padding: whether id 0 gives zeros, and keeps its rows at zero.
        sequences: further sequences, of which every place is given; `inputs` have
            them too. They are no context.

    Raises:
        ConfigError: there is no history.
    """
    if "vectors" in params.without:
        inputs = [i for i in inputs if i.kind != "vector"]
    roles = sequence_inputs(inputs, model_name)
    history_ids = features[roles.history.name]
    if "history" in params.without:
        history_ids = ops.zeros_like(history_ids)
    shared = [(side, own) for side, own in roles.sides if own is not None]
    tensors = {i.name: features[i.name] for i in inputs}
    tensors[roles.history.name] = history_ids
    for i in (*roles.attributes, *roles.vectors):
        tensors[i.name + HISTORY] = parts.lookup(features, i.name)(history_ids)
    found = SequenceEmbedding(
        target=roles.fields,
        history=[roles.history, *(side for side, _ in shared)],
        extra=roles.extra,
        context=[i for i in roles.context if i not in sequences],
        sequences=sequences,
        width=params.embedding_dim,
        embeddings_initializer=keras.initializers.RandomNormal(
            stddev=params.embedding_stddev
        ),
        embeddings_regularizer=keras.regularizers.L2(params.l2 / 2),
        compression=params.compression,
        min_frequency=params.min_frequency,
        zero_padding=zero_padding,
        name=name,
    )(tensors)
    return Embedded(
        target=found["target"],
        history=found["history"],
        mask=ops.cast(ops.not_equal(history_ids, 0), "float32"),
        history_ids=history_ids,
        context=found.get("context"),
        history_extra=found.get("extra"),
        sequences={i.name: found[i.name + PLACES] for i in sequences},
    )
