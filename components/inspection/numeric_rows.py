"""The columns that the inspection of numeric fields reads."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from clickwright.components.evaluation.score_files import read_batches
from clickwright.schemas.errors import DataError
from clickwright.schemas.spec import FeatureSpec


@dataclasses.dataclass(frozen=True)
class NumericRows:
    """N rows of a split.

    Attributes:
        values: [N, F] float64, the numeric features in the spec's order, in the raw
            unit; NaN is missing.
        label: [N] float64, NaN where there is none.
        weight: [N] float64; ones where the spec names no weight.
        serialized: [N] tf.Examples as they were read.
    """

    values: np.ndarray
    label: np.ndarray
    weight: np.ndarray
    serialized: np.ndarray


def read_numeric_rows(paths: Sequence[str], spec: FeatureSpec) -> Iterator[NumericRows]:
    """Reads TFRecord files of raw tf.Examples, in large batches.

    Raises:
        DataError: a file is damaged, or a column is not of the spec's type.
    """
    columns = spec.columns()
    numeric = [spec.column_of(name) for name in spec.numeric_features()]
    wanted = {*numeric, spec.label_column, *([spec.weight] if spec.weight else [])}
    features = {
        name: tf.io.RaggedFeature(tf.dtypes.as_dtype(columns[name].dtype))
        for name in sorted(wanted)
    }
    for path in paths:
        for batch in read_batches(path):
            try:
                parsed = tf.io.parse_example(batch, features)
            except tf.errors.InvalidArgumentError as error:
                raise DataError(
                    f"The examples do not fit the spec: {error.message}",
                    where=path,
                    fix="ingest the log again with the spec of this run",
                ) from error
            found = {name: _first(column) for name, column in parsed.items()}
            yield NumericRows(
                np.stack([found[name] for name in numeric], axis=1),
                found[spec.label_column],
                found[spec.weight] if spec.weight else np.ones(len(batch)),
                batch.numpy(),
            )


def _first(column: Any) -> np.ndarray:
    """The one value of each row, NaN where there is none, `[N]`."""
    values = tf.cast(column, tf.float64)
    return np.asarray(values.to_tensor(np.nan, shape=[None, 1])[:, 0])
