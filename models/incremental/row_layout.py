"""Which rows of a variable belong to which table of ids."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from clickwright.models.incremental.table_growth import TableGrowth
from clickwright.models.layers.frequency_filter import FrequencyFilter
from clickwright.models.layers.fused_embedding import FusedEmbedding, has_ids
from clickwright.models.layers.item_embedding import ItemEmbedding
from clickwright.models.retrieval.retrieval_inputs import RetrievalInputs
from clickwright.models.retrieval.retrieval_model import RetrievalModel
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput


@dataclasses.dataclass(frozen=True)
class Segment:
    """Rows of a variable, one after the other.

    Attributes:
        table: the table of ids; None where the rows are of none.
        rows: how many.
        tail: the last of them that are of no id.
        shared: whether the tail is one row that stands for ids seen seldom.
        compressed: whether ids share rows, so that none can be told apart.
    """

    table: str | None
    rows: int
    tail: int = 0
    shared: bool = False
    compressed: bool = False


@dataclasses.dataclass(frozen=True)
class GrownRows:
    """Of each row of a variable, the old row that it starts from.

    Attributes:
        old_rows: rows of the old variable.
        source: int64 `[rows]`.
        new: whether it is of an id that the old variable has no row for, `[rows]`.
    """

    old_rows: int
    source: np.ndarray[Any, Any]
    new: np.ndarray[Any, Any]


class RowLayout:
    """How the rows of a variable are laid out.

    Args:
        segments: in the order of the rows.
        counts: whether rows count something, so that new ones start from 0 always.
    """

    def __init__(self, segments: Sequence[Segment], counts: bool = False) -> None:
        self.segments = tuple(segments)
        self.counts = counts

    def grown(self, tables: Mapping[str, TableGrowth]) -> GrownRows | None:
        """Where each row comes from; None where no table has changed.

        Raises:
            ConfigError: a table has changed whose ids share rows.
        """
        growths = [tables.get(segment.table or "") for segment in self.segments]
        if not any(growth and growth.changed for growth in growths):
            return None
        start = 0
        sources, new = [], []
        for segment, growth in zip(self.segments, growths, strict=True):
            if growth is None or not growth.changed:
                found = np.arange(start, start + segment.rows)
                sources.append(found)
                new.append(np.zeros(segment.rows, bool))
                start += segment.rows
                continue
            if segment.compressed:
                raise ConfigError(
                    f"The vocabulary of `{segment.table}` has grown, and its table is "
                    "compressed: which rows an id shares depends on its size.",
                    where="model.params.compression",
                    fix="leave out `compression`, choose `kind: hash` for the feature, "
                    "or set `incremental.warm_start: false`",
                )
            tail = start + growth.old_rows + np.arange(segment.tail)
            own = start + growth.source
            if segment.shared:
                own = np.where(growth.new, tail[0], own)
            sources += [own, tail]
            new += [growth.new, np.zeros(segment.tail, bool)]
            start += growth.old_rows + segment.tail
        return GrownRows(start, np.concatenate(sources), np.concatenate(new))


def row_layouts(
    model: keras.Model, inputs: Sequence[ModelInput]
) -> dict[int, RowLayout]:
    """The layouts of a model's variables that have rows of ids, by `id` of these."""
    found = dict(_of_layers(model))
    if isinstance(model, RetrievalModel):
        found |= dict(_of_retrieval(model, RetrievalInputs.of(inputs)))
    return found


def told_by_data(model: keras.Model) -> set[int]:
    """The variables that training sets from the data before it starts, by `id`."""
    if not isinstance(model, RetrievalModel):
        return set()
    return {
        id(v) for v in model.non_trainable_variables if v.shape[:1] == (model.items,)
    }


def _of_layers(model: keras.Model) -> Iterator[tuple[int, RowLayout]]:
    for layer in model._flatten_layers():
        if isinstance(layer, FusedEmbedding) and layer.embeddings is not None:
            yield id(layer.embeddings), RowLayout(list(_of_embedding(layer)))
        elif isinstance(layer, FrequencyFilter):
            rows = {i.table or i.name: i.rows or 0 for i in layer.inputs if has_ids(i)}
            segments = [Segment(table, count) for table, count in rows.items()]
            yield id(layer.counts), RowLayout(segments, counts=True)


def _of_embedding(layer: FusedEmbedding) -> Iterator[Segment]:
    owners = {
        layer.row_ranges[i.name]: i for i in layer.inputs if i.name in layer.row_ranges
    }
    for (start, stop), i in sorted(owners.items(), key=lambda item: item[0]):
        table = (i.table or i.name) if has_ids(i) else None
        compressed = layer.is_compressed(i)
        tail = int(bool(layer.min_frequency and table and not compressed))
        yield Segment(table, stop - start, tail, bool(tail), compressed)


def _of_retrieval(
    model: RetrievalModel, inputs: RetrievalInputs
) -> Iterator[tuple[int, RowLayout]]:
    names = {"item": inputs.item.name}
    if inputs.user is not None:
        names["user"] = inputs.user.name
    for layer in model._flatten_layers():
        if not isinstance(layer, ItemEmbedding):
            continue
        table = names.get(layer.name, layer.name.removesuffix("_embedding"))
        ids = model.items if layer.name == "item" else layer.rows
        segment = Segment(table, layer.rows, tail=layer.rows - ids)
        yield id(layer.embeddings), RowLayout([segment])
    for variable in model.trainable_variables:
        if variable.name == "item_bias":
            yield id(variable), RowLayout([Segment(names["item"], model.items)])
