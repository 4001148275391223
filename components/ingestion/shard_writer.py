"""Gzipped TFRecord files."""

import tensorflow as tf

from clickwright.components.ingestion.machine_errors import machine_errors

# Level 1 writes 200k records a second of 350 bytes, level 6 half as many for files
# that are a fifth smaller. TensorFlow's writer frames, checks (crc32c) and packs in
# C++; framing with NumPy and packing with zlib was no faster.
_OPTIONS = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)


class ShardWriter:
    """Writes serialized `tf.Example`s into one gzipped TFRecord file.

    Args:
        path: the file; an existing one is overwritten.

    Raises:
        MachineError: the file cannot be written, or the disk is full.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        with machine_errors(path):
            self._writer = tf.io.TFRecordWriter(path, _OPTIONS)

    def write(self, records: list[bytes]) -> None:
        """Appends the records."""
        with machine_errors(self.path):
            for record in records:
                self._writer.write(record)

    def close(self) -> None:
        """Writes what is still held back; the file is whole only after this."""
        with machine_errors(self.path):
            self._writer.close()
