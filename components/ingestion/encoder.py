"""Arrow batches into serialized `tf.Example`s."""

import numpy as np
import pyarrow as pa
from tfx_bsl.coders import example_coder


def encode(batch: pa.RecordBatch) -> list[bytes]:
    """Encodes each row as a `tf.Example`, one feature a column.

    The work is done in C++ by tfx_bsl, whose encoder takes lists of numbers or bytes.
    A null becomes a feature without a value, as TFX's own ExampleGens write it;
    parsers take it for an absent one.

    Args:
        batch: int64, float32 and string columns, and lists of them.
    """
    arrays = [_as_bytes_lists(array) for array in batch.columns]
    return example_coder.RecordBatchToExamplesEncoder().encode(
        pa.RecordBatch.from_arrays(arrays, batch.schema.names)
    )


def _as_bytes_lists(array: pa.Array) -> pa.ListArray:
    if pa.types.is_list(array.type):
        text = pa.types.is_string(array.type.value_type)
        return array.cast(pa.list_(pa.binary())) if text else array
    offsets = pa.array(np.arange(len(array) + 1, dtype=np.int32))
    nulls = array.is_null() if array.null_count else None
    if pa.types.is_string(array.type):
        array = array.cast(pa.binary())
    return pa.ListArray.from_arrays(offsets, array, mask=nulls)
