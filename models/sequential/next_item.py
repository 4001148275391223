"""The parts that next-item models are put together from."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.layers.pack_history import pack_history
from clickwright.models.sequential import parts
from clickwright.schemas.model_input import ModelInput


def sizes(inputs: Sequence[ModelInput], model_name: str) -> tuple[int, int]:
    """Rows of the item table and places of the history.

    Raises:
        ConfigError: there is no history of items.
    """
    found = parts.sequence_inputs(inputs, model_name)
    return int(found.target.rows or 0), int(found.history.length or 0)


def weights(batch: Mapping[str, Any]) -> Any:
    """1 at events that have a next item, else 0, float32 `[batch, L]`."""
    both = ops.logical_and(
        ops.not_equal(batch["history"], 0), ops.not_equal(batch["target"], 0)
    )
    return ops.cast(both, "float32")


def whole(batch: Mapping[str, Any]) -> Any:
    """History and last target in one, the latest events, int32 `[batch, L]`."""
    history = ops.cast(batch["history"], "int32")
    last = ops.cast(batch["target"][:, -1:], "int32")
    (packed,) = pack_history(ops.concatenate([history, last], axis=1), "left")
    return packed[:, 1:]


def negatives(
    batch: Mapping[str, Any], items: int, seed: keras.random.SeedGenerator
) -> Any:
    """The batch's negatives, else uniform ones, int32 `[batch, L, n]`."""
    given = batch.get("negatives")
    if given is None:
        shape = (*ops.shape(batch["target"]), 1)
        return keras.random.randint(shape, 1, items, dtype="int32", seed=seed)
    given = ops.cast(given, "int32")
    return given if len(given.shape) == 3 else ops.expand_dims(given, -1)


def logits_with_negatives(
    model: Any,
    batch: Mapping[str, Any],
    states: Any,
    seed: keras.random.SeedGenerator | None,
) -> tuple[Any, Any]:
    """Scores of next items, `[batch, L]`, and of negatives, `[batch, L, n]`.

    Args:
        model: a model with a `table` of items that it scores with.
        batch: history, next items and, if it has them, negatives.
        states: of the model, `[batch, L, d]`.
        seed: draws negatives where the batch has none; the model's own when None.
    """
    drawn = negatives(batch, model.items, seed or model.seed_generator)
    positive = ops.cast(model.table(batch["target"]), "float32")  # [B, L, d]
    negative = ops.cast(model.table(drawn), "float32")  # [B, L, n, d]
    return (
        ops.sum(states * positive, axis=-1),
        ops.sum(ops.expand_dims(states, 2) * negative, axis=-1),
    )
