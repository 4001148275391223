"""Stands in for the SQL slicing module that tfx-bsl 1.21 dropped.

TensorFlow Data Validation 1.16 imports this name at load time. Only slicing
statistics by a SQL expression needs the class to work; it raises there.
"""


class RecordBatchSQLSliceQuery:
    """Raises: SQL slicing needs tfx-bsl 1.16 or TensorFlow Data Validation 1.21."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        raise RuntimeError(
            "Statistics cannot be sliced by a SQL expression with this pair of "
            "tensorflow-data-validation and tfx-bsl. Slice by feature value, or "
            "install on Python 3.12 with glibc 2.39 or newer. "
            f"Received: args={args!r}, kwargs={kwargs!r}"
        )
