"""Looking rows up in a table."""

from typing import Any

import keras
from keras import ops


def gather_rows(table: Any, rows: Any) -> Any:
    """Rows of a table, without a look at the others.

    On TensorFlow reading a whole variable copies it, once a scatter has written to it;
    this gather reads the rows alone, and its gradient is `tf.IndexedSlices`.

    Args:
        table: variable of `[V, ...]`.
        rows: integers of any shape.

    Returns:
        `[*shape of rows, ...]`.
    """
    value = table.value if isinstance(table, keras.Variable) else table
    # Of a variable with a copy a replica (`values`), TensorFlow gives the copy whole.
    if hasattr(value, "sparse_read") and not hasattr(value, "values"):
        return value.sparse_read(rows)
    return ops.take(value, rows, axis=0)
