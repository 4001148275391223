"""The columns that an evaluation reads beside what the model reads."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import tensorflow as tf

from clickwright.components.evaluation.eval_config import slice_columns
from clickwright.components.evaluation.slice_codes import SliceColumn
from clickwright.schemas.errors import DataError
from clickwright.schemas.spec import DType, FeatureSpec


@dataclasses.dataclass(frozen=True)
class Rows:
    """What is known of N labelled rows.

    Attributes:
        labelled: [M] which of the M rows read have a label; N are True.
        label: [N] float32, 0 or 1.
        weight: [N] float32; None where the spec names no weight.
        group: [N] int64, strings hashed; None where the spec names no group key.
        slices: columns that slices are made of, by name.
    """

    labelled: np.ndarray
    label: np.ndarray
    weight: np.ndarray | None
    group: np.ndarray | None
    slices: dict[str, SliceColumn]


@dataclasses.dataclass(frozen=True)
class RowColumns:
    """Names and types of the columns; parses them out of serialized tf.Examples.

    Attributes:
        label: column of the label.
        weight: column of the weight.
        group: column of the group key.
        slices: columns that slices are made of.
        dtypes: int64, float32 or string, for each of them.
    """

    label: str
    weight: str | None
    group: str | None
    slices: tuple[str, ...]
    dtypes: Mapping[str, DType]

    @classmethod
    def of(cls, spec: FeatureSpec) -> Self:
        """The columns that the spec names."""
        slices = sorted({name for group in slice_columns(spec) for name in group})
        named = [spec.label_column, spec.weight, spec.group_key, *slices]
        columns = spec.columns()
        return cls(
            spec.label_column,
            spec.weight,
            spec.group_key,
            tuple(slices),
            {name: columns[name].dtype for name in named if name},
        )

    def parse(self, serialized: tf.Tensor | Sequence[bytes]) -> Rows:
        """Parses [M] serialized tf.Examples; rows without a label are left out.

        Raises:
            DataError: a column lacks a value or has the wrong type, a label is neither
                0 nor 1, or a weight is negative or no number.
        """
        features = {
            name: tf.io.RaggedFeature(tf.dtypes.as_dtype(dtype))
            for name, dtype in self.dtypes.items()
        }
        try:
            parsed = tf.io.parse_example(serialized, features)
        except tf.errors.InvalidArgumentError as error:
            raise DataError(
                f"The examples do not fit the spec: {error.message}",
                fix="ingest the log again with the spec of this run",
            ) from error
        for name, column in parsed.items():
            optional = name not in (self.weight, self.group)
            _check_lengths(name, column, may_be_empty=optional)
        labelled = parsed[self.label].row_lengths().numpy() == 1
        label = parsed[self.label].values.numpy()
        _check(self.label, label, (label == 0) | (label == 1), "0 or 1")
        weight = group = None
        if self.weight:
            weight = parsed[self.weight].values.numpy()
            _check(self.weight, weight, weight >= 0, "a number of 0 or more")
            weight = weight[labelled]
        if self.group:
            keys = parsed[self.group].values
            if keys.dtype == tf.string:
                keys = tf.strings.to_hash_bucket_fast(keys, np.iinfo(np.int64).max)
            group = keys.numpy()[labelled]
        slices = {
            name: SliceColumn.of(parsed[name]).take(labelled) for name in self.slices
        }
        return Rows(labelled, label.astype(np.float32), weight, group, slices)


def _check_lengths(name: str, column: tf.RaggedTensor, may_be_empty: bool) -> None:
    lengths = column.row_lengths().numpy()
    good = (lengths <= 1) if may_be_empty else (lengths == 1)
    if not good.all():
        raise DataError(
            f"Every row must hold {'at most ' if may_be_empty else ''}one value of "
            f"`{name}`. Received: a row with {lengths[~good][0]} values.",
            fix="mend the column, and ingest the log again",
        )


def _check(name: str, values: np.ndarray, good: np.ndarray, rule: str) -> None:
    if not good.all():
        raise DataError(
            f"`{name}` must be {rule}. Received: {values[~good][0]}.",
            fix="mend the column, and ingest the log again",
        )
