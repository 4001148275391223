"""Rows of a data set in memory, as models read them after Transform.

The same encoding as the pipeline's, by NumPy: which encoder is best can so be asked
many times over without a Transform each. Kinds without a counterpart here are
refused.
"""

import dataclasses
import math
import pathlib
from collections.abc import Container, Mapping
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.schemas.discretization_plan import DiscretizationPlan
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.scale import scale
from clickwright.schemas.source import PreparedData
from clickwright.schemas.spec import (
    AGE_BUCKETS,
    CategoricalFeature,
    CrossFeature,
    FeatureSpec,
    IdentityVocabulary,
    LearnedVocabulary,
    NumericFeature,
    SequenceFeature,
    TimeSplit,
    age_of,
)
from clickwright.schemas.time_cuts import time_cuts

Array: TypeAlias = np.ndarray[Any, Any]
SPLITS = ("train", "valid", "test")
_TRUTH = "true_probability"


@dataclasses.dataclass(frozen=True)
class Rows:
    """One data set, encoded but for its numbers.

    Attributes:
        spec: what the columns mean.
        ids: id tensors by split and name.
        numbers: raw numbers by split and feature, NaN where missing, float64.
        labels: by split, `[rows]`.
        groups: values of the spec's `group_key` by split; empty where it has none.
        vocabularies: the known values of each vocabulary, in the order of their ids.
        truths: true click probabilities by split; empty where nobody knows them.
    """

    spec: FeatureSpec
    ids: Mapping[str, Mapping[str, Array]]
    numbers: Mapping[str, Mapping[str, Array]]
    labels: Mapping[str, Array]
    groups: Mapping[str, Array]
    vocabularies: Mapping[str, Array]
    truths: Mapping[str, Array]

    @property
    def vocabulary_sizes(self) -> dict[str, int]:
        """Values of each learned vocabulary."""
        return {
            name: len(self.vocabularies[name])
            for name, f in self.spec.vocabulary_features().items()
            if isinstance(f.vocabulary, LearnedVocabulary)
        }

    def columns(self, split: str) -> dict[str, Array]:
        """The raw numbers of a split by column of the log."""
        return {self.spec.column_of(n): x for n, x in self.numbers[split].items()}

    def inputs(self, plan: DiscretizationPlan | None) -> tuple[ModelInput, ...]:
        """What models read; a plan is needed where there are numbers."""
        encodings = plan.encodings() if plan else None
        return self.spec.model_inputs(self.vocabulary_sizes, encodings)

    def examples(
        self,
        plan: DiscretizationPlan | None,
        split: str,
        names: Container[str] | None = None,
    ) -> InMemoryExamples:
        """The rows of a split, scaled as the plan says; only these inputs, or all."""
        fields = plan.fields if plan else {}
        values = {
            name: scale(fields[name].scaling, raw)
            for name, raw in self.numbers[split].items()
        }
        inputs = {**self.ids[split], **values}
        if names is not None:
            inputs = {name: x for name, x in inputs.items() if name in names}
        return InMemoryExamples(inputs, self.labels[split])


def read_rows(spec: FeatureSpec, prepared: PreparedData) -> Rows:
    """Reads what a source has prepared."""
    tables = _tables(spec, prepared)
    vocabularies = {
        name: _vocabulary(tables["train"][spec.column_of(name)], f.vocabulary)
        for name, f in spec.vocabulary_features().items()
    }
    return Rows(
        spec,
        {s: _ids(spec, table, vocabularies) for s, table in tables.items()},
        {
            s: {
                name: _numbers(table[spec.column_of(name)])
                for name in spec.numeric_features()
            }
            for s, table in tables.items()
        },
        {
            s: table[spec.label_column].to_numpy().astype(np.float32)
            for s, table in tables.items()
        },
        {
            s: table[spec.group_key].to_numpy()
            for s, table in tables.items()
            if spec.group_key is not None
        },
        vocabularies,
        {
            s: table[_TRUTH].to_numpy()
            for s, table in tables.items()
            if _TRUTH in table.column_names
        },
    )


def _tables(spec: FeatureSpec, prepared: PreparedData) -> dict[str, pa.Table]:
    def read(folder: str) -> pa.Table:
        return pq.read_table(pathlib.Path(prepared.directory) / folder)

    if "all" not in prepared.splits:
        return {split: read(split) for split in SPLITS}
    rule = spec.split
    if not isinstance(rule, TimeSplit) or rule.valid is None or rule.test is None:
        raise TypeError(f"`split` must be shares by time. Received: {rule}")
    rows = read("all")
    time = rows[str(spec.timestamp)].to_numpy()
    valid_from, test_from = time_cuts([time], rule.valid, rule.test)
    return {
        "train": rows.filter(time < valid_from),
        "valid": rows.filter((time >= valid_from) & (time < test_from)),
        "test": rows.filter(time >= test_from),
    }


def _vocabulary(column: pa.ChunkedArray, rule: Any) -> Array:
    """The known values, in the order of `np.sort`."""
    if isinstance(rule, IdentityVocabulary):
        return np.arange(rule.size)
    if not isinstance(rule, LearnedVocabulary):
        raise TypeError(f"`vocabulary` must be learned or identity. Received: {rule}")
    counted = pc.value_counts(column.drop_null()).flatten()
    kept = counted[1].to_numpy() >= rule.min_count
    return np.sort(
        counted[0].to_numpy(zero_copy_only=False)[kept].astype(_kind(column))
    )


def _kind(column: pa.ChunkedArray) -> str:
    plain = column.type.value_type if pa.types.is_list(column.type) else column.type
    return "int64" if pa.types.is_integer(plain) else "str"


def _look_up(values: pa.Array | pa.ChunkedArray, known: Array) -> Array:
    """0 for a missing value, 1 + place of a known one, then one row for the others."""
    there = pc.is_valid(values).to_numpy(zero_copy_only=False)
    found = pc.drop_null(values).to_numpy(zero_copy_only=False).astype(known.dtype.kind)
    place = np.minimum(np.searchsorted(known, found), len(known) - 1)
    ids = np.zeros(len(there), np.int32)
    ids[there] = np.where(known[place] == found, place + 1, len(known) + 1)
    return ids


def _ids(
    spec: FeatureSpec, table: pa.Table, known: Mapping[str, Array]
) -> dict[str, Array]:
    ids: dict[str, Array] = {}
    for name, feature in spec.features.items():
        match feature:
            case CategoricalFeature():
                ids[name] = _look_up(table[spec.column_of(name)], known[name])
            case SequenceFeature(max_length=length, of=of):
                column = table[spec.column_of(name)]
                ids[name] = _latest(column, known[of], length)
                for side_name, side in feature.side.items():
                    column = table[side.column]
                    ids[f"{name}__{side_name}"] = _latest(
                        column, known[side.of], length
                    )
                if feature.times:
                    ids[age_of(name)] = _latest_ages(
                        table[feature.times], table[str(spec.timestamp)], length
                    )
            case CrossFeature(of=of, buckets=buckets):
                place = np.zeros(table.num_rows, np.int64)
                for part in of:
                    column = table[spec.column_of(part)]
                    place = place * (len(known[part]) + 2) + _look_up(
                        column, known[part]
                    )
                ids[name] = (1 + place % buckets).astype(np.int32)
            case NumericFeature():
                pass
            case _ if feature.kind != "embedding":
                raise TypeError(f"`{name}` must be of another kind: {feature.kind}.")
    return ids


def _latest(column: pa.ChunkedArray, known: Array, length: int) -> Array:
    """The last ids of each list, padded with 0 at the end, `[rows, length]`."""
    lists = _one_chunk(column)
    return _cut(lists, _look_up(lists.flatten(), known), length)


def _latest_ages(column: pa.ChunkedArray, now: pa.ChunkedArray, length: int) -> Array:
    """The age buckets of the last events, as Transform numbers them."""
    lists = _one_chunk(column)
    sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    seconds = np.repeat(now.to_numpy(), sizes) - lists.flatten().to_numpy()
    least = [math.isqrt(2**step - 1) + 1 for step in range(AGE_BUCKETS)]
    ids = np.maximum(np.searchsorted(np.array(least), seconds, side="right"), 1)
    return _cut(lists, ids.astype(np.int32), length)


def _one_chunk(column: pa.ChunkedArray) -> pa.ListArray:
    lists = column.combine_chunks()
    return lists.chunk(0) if isinstance(lists, pa.ChunkedArray) else lists


def _cut(lists: pa.ListArray, flat: Array, length: int) -> Array:
    """The last ids of each list, `flat` being those of all, `[rows, length]`."""
    ids = np.append(flat, 0)
    sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    ends = np.cumsum(sizes)
    kept = np.minimum(sizes, length)
    steps = np.arange(length)
    there = steps < kept[:, None]
    at = np.where(there, (ends - kept)[:, None] + steps, len(ids) - 1)
    return ids[at]


def _numbers(column: pa.ChunkedArray) -> Array:
    return column.cast(pa.float64()).to_numpy().astype(np.float64)
