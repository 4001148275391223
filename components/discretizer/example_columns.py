"""The columns of TFRecord files of tf.Examples that the Discretizer reads."""

from collections.abc import Iterator, Mapping
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders import example_coder

from clickwright.schemas.errors import DataError
from clickwright.schemas.spec import FeatureSpec

BATCH_ROWS = 16_384
TYPES = {"int64": schema_pb2.INT, "float32": schema_pb2.FLOAT}


class ExampleColumns:
    """Reads the numeric features and the weight; other columns are not decoded.

    Args:
        features: column and type of each feature.
        weight: column of the weight, float32, or None.
    """

    def __init__(
        self, features: Mapping[str, tuple[str, str]], weight: str | None
    ) -> None:
        self.names = list(features)
        self._columns = {name: column for name, (column, _) in features.items()}
        self._weight = weight
        # Two features may read one column, of which the schema has one entry.
        self._dtypes = {column: dtype for column, dtype in features.values()}
        if weight is not None:
            self._dtypes[weight] = "float32"

    @classmethod
    def of(cls, spec: FeatureSpec) -> Self:
        """The columns that the spec names."""
        features = {
            name: (spec.column_of(name), feature.dtype)
            for name, feature in spec.numeric_features().items()
        }
        return cls(features, spec.weight)

    @property
    def dtypes(self) -> dict[str, str]:
        """The type of each column."""
        return dict(self._dtypes)

    def read(
        self, path: str
    ) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray | None]]:
        """Yields features and weights, in batches; gzipped files are so named.

        Numbers are float64, NaN where there is none; a missing weight is 1.

        Raises:
            DataError: the file is damaged, or a column has another type or several
                values a row.
        """
        schema = schema_pb2.Schema()
        for column, dtype in self._dtypes.items():
            schema.feature.add(name=column, type=TYPES[dtype])
        decoder = example_coder.ExamplesToRecordBatchDecoder(schema.SerializeToString())
        row = 0
        for records in _records(path):
            try:
                batch = decoder.DecodeBatch(records)
            except RuntimeError as error:
                raise DataError(
                    f"The examples do not fit the spec: {error}",
                    where=f"{path}, rows {row + 1} to {row + len(records)}",
                    fix="ingest the log again with the spec of this run",
                ) from error
            found = {
                column: _single(
                    batch.column(column),
                    1.0 if column == self._weight else np.nan,
                    f"{path}, column `{column}`",
                    row,
                )
                for column in self._dtypes
            }
            weights = None if self._weight is None else found[self._weight]
            yield {name: found[c] for name, c in self._columns.items()}, weights
            row += len(records)


def _records(path: str) -> Iterator[np.ndarray]:
    records = tf.data.TFRecordDataset(path, "GZIP" if path.endswith(".gz") else "")
    row = 0
    try:
        for batch in records.batch(BATCH_ROWS).prefetch(2).as_numpy_iterator():
            yield batch
            row += len(batch)
    except tf.errors.OpError as error:
        raise DataError(
            f"The file is damaged after row {row}: {error.message}",
            where=path,
            fix="ingest the log again",
        ) from error


def _single(lists: pa.Array, absent: float, where: str, row: int) -> np.ndarray:
    """The one number of each row, `absent` where there is none."""
    flat = lists.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(
        zero_copy_only=False
    )
    several = np.flatnonzero(lengths > 1)
    if len(several):
        raise DataError(
            f"A row must hold one value at most. Received: {lengths[several[0]]}.",
            where=f"{where}, row {row + several[0] + 1}",
            fix="mend the column, and ingest the log again",
        )
    values = np.full(len(lists), absent)
    values[lengths == 1] = flat
    return values
