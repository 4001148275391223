"""Embeddings of a target, of the history before it, and of everything else."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.layers.fused_embedding import FusedEmbedding, has_ids
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.spec import PADDING_ID

HISTORY = "/history"
"""After the name of an attribute or vector: that of the history's items."""
PLACES = "/places"
"""After the name of a further sequence: its places, one by one."""


@keras.saving.register_keras_serializable(package="clickwright")
class SequenceEmbedding(FusedEmbedding):
    """Embeds target and history alike, and the context, by one gather of one table.

    An item, in the history or the target, is its fields side by side, each of `D`
    values: its id, the ids of its sides, its attributes (the mean over those that it
    has) and its vectors. A vector goes through one kernel, whether the item is the
    target or in the history. Places of the history that are padding are zeros, in all
    fields.

    It takes users' inputs of batch 1 beside items' inputs of a larger batch, and then
    embeds the history once. With `min_frequency` it does not.

    Args:
        target: the target's `id` input, the ids of its sides, its attributes and its
            vectors, in that order.
        history: the `sequence` inputs: the history, and a side for each of the
            target's.
        extra: further sides of the history, which a target does not have.
        context: all other inputs, embedded as `FusedEmbedding` does.
        sequences: further `sequence` inputs, of any length, given place by place.
        width: values a field, `D`.

    Others are those of `FusedEmbedding`.

    Input shape:
        Dict of the inputs by name; for each attribute `a` and vector `v` of the target
        also `a/history`, `[batch, L, length]`, and `v/history`, `[batch, L, width]`.

    Output shape:
        Dict of `target`, `[batch, n * D]`, and `history`, `[batch, L, n * D]`; where
        there are any, `extra`, `[batch, L, sides, D]`, and `context`,
        `[batch, fields, D]`; and for each `s` of `sequences`, `s/places`,
        `[batch, length, D]`, zeros at padding.

    Raises:
        ValueError: as `FusedEmbedding`, or target and history do not go together.
    """

    def __init__(
        self,
        target: Sequence[ModelInput | Mapping[str, Any]],
        history: Sequence[ModelInput | Mapping[str, Any]],
        extra: Sequence[ModelInput | Mapping[str, Any]] = (),
        context: Sequence[ModelInput | Mapping[str, Any]] = (),
        sequences: Sequence[ModelInput | Mapping[str, Any]] = (),
        **kwargs: Any,
    ) -> None:
        own = tuple(ModelInput.of(i) for i in target)
        events = tuple(ModelInput.of(i) for i in history)
        further = tuple(ModelInput.of(i) for i in sequences)
        others = tuple(ModelInput.of(i) for i in extra)
        rest = tuple(ModelInput.of(i) for i in context)
        ids = [i for i in own if i.kind == "id"]
        if not ids or [i.table for i in ids] != [i.table for i in events]:
            raise ValueError(
                "`history` must hold one sequence for each id of `target`, of the same "
                f"table. Received: {[i.name for i in events]} and "
                f"{[i.name for i in ids]}"
            )
        length = events[0].length or 0
        tags = [_of_history(i, length) for i in own if i.kind == "attribute"]
        items = [*own, *events, *tags, *others, *further]
        super().__init__([*items, *rest], **kwargs)
        self.target = own
        self.history = events
        self.extra = others
        self.context = rest
        self.sequences = further
        self.length = length
        split = len(items)
        self._context_runs = self._runs_of(self.inputs[split:])
        self._item_runs = self._runs_of(
            [i for i in self.inputs[:split] if i.kind != "vector"]
        )

    @property
    def mixes_batches(self) -> bool:
        """Whether users' inputs may have the batch 1 beside items' larger one."""
        return self.frequency_filter is None

    def call(
        self, inputs: Mapping[str, Any], training: bool | None = None
    ) -> dict[str, Any]:
        """Looks up, and lays the fields of each item side by side."""
        inputs = dict(inputs)
        if self.frequency_filter is not None:
            inputs |= self.frequency_filter(inputs, training=training)
        batch = _items_batch(inputs)
        if batch is not None:
            inputs |= self._repeated(inputs, batch)
        rows = self._rows(inputs)
        found = {
            "target": self._items(inputs, rows),
            "history": self._items(inputs, rows, self.history),
        }
        mask = self._mask(rows)  # [B, L, 1]
        found["history"] *= mask
        if self.extra:
            extra = ops.stack([rows[i.name][1] for i in self.extra], axis=2)
            found["extra"] = extra * ops.expand_dims(mask, -1)  # [B, L, n, D]
        for i in self.sequences:
            ids, places = rows[i.name]  # [B, L], [B, L, D]
            there = ops.cast(ops.not_equal(ids, PADDING_ID), places.dtype)
            found[i.name + PLACES] = places * ops.expand_dims(there, -1)
        if self.context:
            fields = self._fields(self._context_runs, inputs, rows, training)
            if batch is not None:
                fields = [_repeat(field, batch) for field in fields]
            found["context"] = ops.concatenate(fields, axis=1)  # [B, F, D]
        return {k: ops.cast(v, self.compute_dtype) for k, v in found.items()}

    def _rows(self, inputs: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """Ids and rows of all inputs with ids: by one gather, or one a batch size."""
        runs = [r for r in (*self._item_runs, *self._context_runs) if has_ids(r[0])]
        sizes = [inputs[run[0].name].shape[0] for run in runs]
        found: dict[str, tuple[Any, Any]] = {}
        for size in dict.fromkeys(sizes):
            same = [r for r, own in zip(runs, sizes, strict=True) if own == size]
            found |= self._look_up(same, inputs)
        return found

    def _items(
        self,
        inputs: Mapping[str, Any],
        rows: Mapping[str, tuple[Any, Any]],
        history: Sequence[ModelInput] = (),
    ) -> Any:
        """All fields of the target, `[B, n * D]`, or of the history's items."""
        if history:
            parts = [rows[i.name][1] for i in history]  # [B, L, D]
        else:
            parts = [
                ops.reshape(rows[run[0].name][1], (-1, len(run) * self.width))
                for run in self._item_runs
                if run[0].kind == "id"
            ]  # [B, n * D]
        for i in self.target:
            name = i.name + HISTORY if history else i.name
            if i.kind == "attribute":
                length = self.length if history else 1
                own, embedded = rows[name]
                tags = i.length or 0
                mean = self._pooled(
                    ops.reshape(own, (-1, tags)),
                    ops.reshape(embedded, (-1, tags, self.width)),
                )  # [B * L, 1, D]
                shape = (-1, length, self.width) if history else (-1, self.width)
                parts.append(ops.reshape(mean, shape))
            elif i.kind == "vector":
                vectors = ops.cast(inputs[name], self.variable_dtype)
                parts.append(ops.matmul(vectors, self.kernels[i.name]))
        return ops.concatenate(parts, axis=-1)

    def _mask(self, rows: Mapping[str, tuple[Any, Any]]) -> Any:
        ids = rows[self.history[0].name][0]  # [B, L]
        return ops.expand_dims(
            ops.cast(ops.not_equal(ids, PADDING_ID), self.variable_dtype), -1
        )

    def _repeated(self, inputs: Mapping[str, Any], batch: Any) -> dict[str, Any]:
        """Users' inputs that are not pooled, and so cost little, once an item."""
        return {
            i.name: _repeat(inputs[i.name], batch)
            for i in (*self.target, *self.context)
            if i.length is None and inputs[i.name].shape[0] == 1
        }

    def compute_output_shape(self, input_shape: Mapping[str, Any]) -> Any:
        """The shape of each output."""
        target = len(self.target)
        batch = input_shape[self.target[0].name][0]
        history = input_shape[self.history[0].name][0]
        width, length = self.width, self.length
        shapes: dict[str, tuple[int | None, ...]] = {
            "target": (batch, target * width),
            "history": (history, length, target * width),
        }
        if self.extra:
            shapes["extra"] = (history, length, len(self.extra), width)
        for i in self.sequences:
            own = input_shape[i.name]
            shapes[i.name + PLACES] = (own[0], own[1], width)
        if self.context:
            shapes["context"] = (batch, len(self.context), width)
        return shapes

    def get_config(self) -> dict[str, Any]:
        """All arguments; inputs as plain dicts."""
        config = super().get_config()
        del config["inputs"], config["pooling"]
        for name in ("target", "history", "extra", "context", "sequences"):
            config[name] = [i.to_dict() for i in getattr(self, name)]
        return config


def _of_history(attribute: ModelInput, length: int) -> ModelInput:
    """The attribute of all items of the history, side by side."""
    return dataclasses.replace(
        attribute,
        name=attribute.name + HISTORY,
        length=length * (attribute.length or 0),
    )


def _items_batch(inputs: Mapping[str, Any]) -> Any:
    """The batch of the items' inputs, where that of users' ones is 1; else None."""
    sizes = {x.shape[0] for x in inputs.values()}
    if len(sizes) == 1 or 1 not in sizes:
        return None
    return next(ops.shape(x)[0] for x in inputs.values() if x.shape[0] != 1)


def _repeat(x: Any, batch: Any) -> Any:
    return ops.broadcast_to(x, (batch, *x.shape[1:])) if x.shape[0] == 1 else x
