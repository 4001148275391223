"""Criteo_8k: the first 8,000 rows of Criteo's display advertising log."""

import pathlib
from typing import Any

from clickwright.schemas.file_source import FileSource, RawFile
from clickwright.schemas.source import write_splits
from clickwright.schemas.spec import SPLITS

_TRAIN = RawFile("train.csv", 7_200, "8fce633e9f4ad3236bcf5529b3ad9f31", header=False)
_VALID = RawFile("dev.csv", 409, "6ebf9014228616a20520ec76089eba82", header=False)
_TEST = RawFile("test.csv", 391, "ad8f778b31de2ffc1afa4d03931f18a7", header=False)


class Criteo8kSource(FileSource):
    """8,000 rows of 13 counts, a fifth of them missing, and 26 hashed categories.

    The files are tab separated, without a header: the label, `I1` .. `I13`, `C1` ..
    `C26`. They are enough to see all parts work on real numbers, and too few for figures
    that tell models apart.

    References:
        Criteo Labs, Display Advertising Challenge, 2014
        (https://www.kaggle.com/c/criteo-display-ad-challenge). The licence of the
        rows does not say that they may be passed on: users bring the files.
    """

    name = "criteo_8k"
    address = None
    subfolder = "criteo_8k"
    layouts = ((_TRAIN, _VALID, _TEST),)

    def write(
        self, raw: pathlib.Path | None, directory: pathlib.Path
    ) -> tuple[dict[str, int], dict[str, Any]]:
        """Writes one Parquet file a split; an empty value is missing."""
        # Imported here: the command line reads this module and needs no Arrow.
        import pyarrow as pa
        import pyarrow.csv

        place, layout = self.find(raw)
        types = {"int64": pa.int64(), "string": pa.string()}
        columns = {
            name: types[column.dtype] for name, column in self.spec().columns().items()
        }
        read = pyarrow.csv.ReadOptions(column_names=list(columns))
        parse = pyarrow.csv.ParseOptions(delimiter="\t", quote_char=False)
        convert = pyarrow.csv.ConvertOptions(
            column_types=columns, null_values=[""], strings_can_be_null=True
        )
        tables = {
            split: pyarrow.csv.read_csv(place / file.name, read, parse, convert)
            for split, file in zip(SPLITS, layout, strict=True)
        }
        return write_splits(tables, directory), {}
