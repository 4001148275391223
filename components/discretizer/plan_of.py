"""The plan of columns in memory."""

from collections.abc import Mapping

import numpy as np

from clickwright.components.discretizer.column_sketches import ColumnSketches
from clickwright.schemas.discretization_plan import DiscretizationPlan
from clickwright.schemas.errors import DataError
from clickwright.schemas.spec import FeatureSpec


def plan_of(
    spec: FeatureSpec,
    columns: Mapping[str, np.ndarray],
    weights: np.ndarray | None = None,
) -> DiscretizationPlan:
    """Decides on the numeric features of `spec`, as the Discretizer does.

    Args:
        spec: the feature spec.
        columns: the columns of the log by name, [N] each; others may be among them.
            NaN is a missing value.
        weights: [N]; None takes the spec's column from `columns`, where it names one.

    Raises:
        DataError: a column is absent, holds text, or has another length; a weight is
            negative or no number; there are no rows, or none with a weight.
    """
    features = spec.numeric_features()
    taken = {
        name: _numbers(columns, spec.column_of(name), feature.dtype)
        for name, feature in features.items()
    }
    if weights is None and spec.weight is not None:
        weights = _numbers(columns, spec.weight, "float32")
    elif weights is not None:
        weights = np.asarray(weights, np.float64)
    sizes = {name: len(values) for name, values in taken.items()}
    if weights is not None:
        sizes["weights"] = len(weights)
    if len(set(sizes.values())) > 1:
        raise DataError(
            f"All columns must be of one length. Received: {sizes}.",
            fix="give a value for every row",
        )
    sketches = ColumnSketches(list(features))
    if taken:
        sketches.add(taken, weights, part=0, first=0)
    return sketches.plan(spec)


def _numbers(columns: Mapping[str, np.ndarray], name: str, dtype: str) -> np.ndarray:
    if name not in columns:
        raise DataError(
            "The column is absent.", where=f"column `{name}`", fix="give the column"
        )
    values = np.asarray(columns[name])
    if values.dtype.kind not in "iufb":
        raise DataError(
            f"The column must hold numbers. Received: {values.dtype} ({values[:1]}).",
            where=f"column `{name}`",
            fix="store its values as numbers",
        )
    if dtype == "float32":
        # What tf.Examples keep of a number: 1e300 is infinite there.
        with np.errstate(over="ignore"):
            values = values.astype(np.float32)
    return values.astype(np.float64)
