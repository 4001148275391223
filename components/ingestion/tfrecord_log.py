"""TFRecord logs."""

import functools
import re
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders import example_coder

from clickwright.components.ingestion.log_file import BATCH_ROWS, LogFile, unreadable
from clickwright.components.ingestion.unit import Unit
from clickwright.schemas.errors import DataError
from clickwright.schemas.spec import Column, FeatureSpec

_GZIP_MAGIC = b"\x1f\x8b"
_FEATURE_TYPES = {
    "int64": schema_pb2.INT,
    "float32": schema_pb2.FLOAT,
    "string": schema_pb2.BYTES,
}


class TFRecordLog(LogFile):
    """A TFRecord file of `tf.Example`s, plain or gzipped.

    It is one unit: where a record begins can be told from the start only.
    """

    def check(self, columns: Mapping[str, Column], spec: FeatureSpec) -> None:
        """Looks for features that the first records lack; no records lack none."""
        if self._first_types:
            super().check(columns, spec)

    def names(self) -> list[str]:
        """The features that occur in the first records."""
        return list(self._first_types)

    def units(self) -> list[Unit]:
        """The file."""
        return [Unit(0, self.path)]

    def batches(
        self, unit: Unit, columns: Mapping[str, Column]
    ) -> Iterator[pa.RecordBatch]:
        """Yields the rows; features of one value a row come without their lists."""
        found = self._first_types
        schema = schema_pb2.Schema()
        for column in columns.values():
            # As found, so that the contract judges the type, not the decoder.
            dtype = found.get(column.name) or _FEATURE_TYPES[column.dtype]
            schema.feature.add(name=column.name, type=dtype)
        decoder = example_coder.ExamplesToRecordBatchDecoder(schema.SerializeToString())
        row = 0
        for records in self._records():
            batch = self._decode(decoder, records, row)
            arrays = [
                array if columns[name].is_list else self._single(array, name, row)
                for name, array in zip(batch.schema.names, batch.columns, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, batch.schema.names)
            row += len(records)

    @functools.cached_property
    def _first_types(self) -> dict[str, int]:
        """Types of the features in the first records; all features, not the spec's."""
        records = next(self._records(), [])
        if not records:
            return {}
        decoder = example_coder.ExamplesToRecordBatchDecoder()
        return {
            field.name: _feature_type(field.type)
            for field in self._decode(decoder, records, 0).schema
            if not pa.types.is_null(field.type)
        }

    def _records(self) -> Iterator[list[bytes]]:
        row = 0
        try:
            with tf.io.gfile.GFile(self.path, "rb") as file:
                packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
            dataset = tf.data.TFRecordDataset(self.path, "GZIP" if packed else None)
            for records in dataset.batch(BATCH_ROWS).as_numpy_iterator():
                yield list(records)
                row += len(records)
        except (OSError, tf.errors.OpError) as error:
            # TensorFlow wraps the useful words into those of its own operations.
            told = re.search(r"(corrupted|truncated) record at \d+", str(error))
            problem = f"{told[0]} (byte)" if told else str(error)
            raise unreadable(self.path, f"{problem}, after row {row}") from error

    def _decode(
        self,
        decoder: example_coder.ExamplesToRecordBatchDecoder,
        records: list[bytes],
        row: int,
    ) -> pa.RecordBatch:
        try:
            return decoder.DecodeBatch(records)
        except RuntimeError as error:
            fine, end = 0, len(records)  # [0, fine) decodes, [fine, end) does not
            while end - fine > 1:
                middle = (fine + end) // 2
                try:
                    decoder.DecodeBatch(records[fine:middle])
                    fine = middle
                except RuntimeError:
                    end = middle
            raise DataError(
                f"The record is no tf.Example of the first records' types: {error}",
                where=f"{self.path}, row {row + fine + 1}",
                fix="write every feature with one type throughout",
            ) from error

    def _single(self, lists: pa.Array, name: str, row: int) -> pa.Array:
        """Takes the one value out of each list; an empty list becomes null."""
        if pa.types.is_null(lists.type):
            return lists
        lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
        several = np.flatnonzero(lengths > 1)
        if len(several):
            raise DataError(
                "A row must hold one value at most. Received: "
                f"{lengths[several[0]]} values.",
                where=f"{self.path}, column `{name}`, row {row + several[0] + 1}",
                fix="write one value, or make the feature `multi_hot` or `sequence`",
            )
        positions = np.cumsum(lengths) - lengths
        return lists.flatten().take(pa.array(positions, mask=lengths == 0))


def _feature_type(found: pa.DataType) -> int:
    value = found.value_type
    if pa.types.is_integer(value):
        return schema_pb2.INT
    return schema_pb2.FLOAT if pa.types.is_floating(value) else schema_pb2.BYTES
