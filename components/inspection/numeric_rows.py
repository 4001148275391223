"""The columns that the inspection of numeric fields reads."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from clickwright.components.discretizer.example_columns import ExampleColumns
from clickwright.schemas.spec import FeatureSpec


@dataclasses.dataclass(frozen=True)
class NumericRows:
    """N rows of a split.

    Attributes:
        values: [N, F] float64, the numeric features in the spec's order, in the raw
            unit; NaN is missing.
        label: [N] float64, NaN where there is none.
        weight: [N] float64; ones where the spec names no weight.
    """

    values: np.ndarray
    label: np.ndarray
    weight: np.ndarray


def read_numeric_rows(paths: Sequence[str], spec: FeatureSpec) -> Iterator[NumericRows]:
    """Reads TFRecord files of raw tf.Examples, in large batches.

    Raises:
        DataError: a file is damaged, or a column is not of the spec's type.
    """
    features: dict[str, tuple[str, str]] = {
        name: (spec.column_of(name), feature.dtype)
        for name, feature in spec.numeric_features().items()
    }
    # No feature has the name of a label.
    read = {**features, spec.label: (spec.label_column, "int64")}
    columns = ExampleColumns(read, spec.weight)
    for path in paths:
        for found, weight in columns.read(path):
            label = found[spec.label]
            yield NumericRows(
                np.stack([found[name] for name in features], axis=1),
                label,
                np.ones(len(label)) if weight is None else weight,
            )
