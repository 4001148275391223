"""The rows of a board's data set, read without TFX."""

import functools
import pathlib
from typing import Any

import numpy as np
import pyarrow.parquet

from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.pipeline.bench.encoded_rows import EncodedRows
from clickwright.schemas.errors import DataError
from clickwright.schemas.source import Source
from clickwright.schemas.spec import SPLITS

Column = np.ndarray[Any, Any]


class BoardData:
    """Verified raw files, as Parquet below `folder`, and their rows as ids.

    Tables are laid out as the product's: row 0 for what is missing, then the values of
    the training split in ascending order, then one row for all others.

    Args:
        source: a data set of categorical features whose files are split already.
        raw: folder of its raw files.
        folder: prepared Parquet is kept, and found again, below it.

    Raises:
        DataError: a file is absent or not what it should be.
        MachineError: the folder cannot be written.
    """

    def __init__(
        self, source: Source, raw: pathlib.Path | None, folder: pathlib.Path
    ) -> None:
        self._spec = source.spec()
        self._prepared = source.prepare(raw, folder)
        self.fingerprint = self._prepared.fingerprint
        """Digest of the raw files."""
        self.train_file: str = self._prepared.details.get("train_file", "train")
        """Name of the file of training rows."""
        # Bound to the object, so that its rows go when it goes.
        self.rows = functools.cache(self._encode)
        """`rows(min_count)`: values that occur less often share the last row."""

    def _encode(self, min_count: int) -> EncodedRows:
        tables = {split: self._read(split) for split in SPLITS}
        sizes: dict[str, int] = {}
        features: dict[str, dict[str, Column]] = {split: {} for split in SPLITS}
        for name in self._spec.features:
            column = self._spec.column_of(name)
            values, counts = np.unique(tables["train"][column], return_counts=True)
            known = values[counts >= min_count]
            sizes[name] = len(known)
            for split, table in tables.items():
                features[split][name] = _ids(table[column], known)
        label = self._spec.label_column
        examples = {
            split: InMemoryExamples(features[split], tables[split][label])
            for split in SPLITS
        }
        return EncodedRows(self._spec.model_inputs(sizes), **examples)

    def _read(self, split: str) -> dict[str, Column]:
        parts = sorted((self._prepared.directory / split).glob("*.parquet"))
        table = pyarrow.parquet.ParquetDataset(parts).read()
        for column in table.column_names:
            if table[column].null_count:
                raise DataError(
                    f"`{column}` has rows without a value; boards have none.",
                    where=f"split `{split}`",
                    fix="run the pipeline on this data set instead",
                )
        return {name: table[name].to_numpy() for name in table.column_names}


def _ids(values: Column, known: Column) -> Column:
    at = np.searchsorted(known, values)
    found = known[np.minimum(at, len(known) - 1)] == values
    return np.where(found, at + 1, len(known) + 1)
