"""Frappe_x1: app usage in context, in the split of the BARS benchmark."""

import pathlib
from typing import Any

from clickwright.schemas.file_source import FileSource, RawFile
from clickwright.schemas.source import write_splits
from clickwright.schemas.spec import SPLITS

_PUBLISHED_TRAIN = RawFile("train.csv", 202_027, "ba7306e6c4fc19dd2cd84f2f0596d158")
# The published positives and contexts; the negative apps are drawn anew.
_REDRAWN_TRAIN = RawFile(
    "train_redrawn_negatives.csv", 202_027, "0523a0db66c28bf2371d625d085a860e"
)
_VALID = RawFile("valid.csv", 57_722, "88d51bf2173505436d3a8f78f2a59da8")
_TEST = RawFile("test.csv", 28_860, "3470f6d32713dc5f7715f198ca7c612a")


class FrappeSource(FileSource):
    """288,609 rows of ten ids each; a third of the rows are apps really used.

    References:
        Baltrunas et al., Frappe: Understanding the usage and perception of mobile
        app recommendations in-the-wild, arXiv:1505.03014. The data are for research
        only; split and checksums are those of https://github.com/reczoo/Datasets.
    """

    name = "frappe"
    address = (
        "https://huggingface.co/datasets/reczoo/Frappe_x1/resolve/main/Frappe_x1.zip"
    )
    subfolder = "frappe_x1"
    layouts = (
        (_PUBLISHED_TRAIN, _VALID, _TEST),
        (_REDRAWN_TRAIN, _VALID, _TEST),
    )

    def write(
        self, raw: pathlib.Path | None, directory: pathlib.Path
    ) -> tuple[dict[str, int], dict[str, Any]]:
        """Writes one Parquet file a split; the columns are int64 as they are."""
        # Imported here: the command line reads this module and needs no Arrow.
        import pyarrow as pa
        import pyarrow.csv

        place, layout = self.find(raw)
        types = {name: pa.int64() for name in self.spec().columns()}
        options = pyarrow.csv.ConvertOptions(
            column_types=types, include_columns=list(types)
        )
        tables = {
            split: pyarrow.csv.read_csv(place / file.name, convert_options=options)
            for split, file in zip(SPLITS, layout, strict=True)
        }
        return write_splits(tables, directory), {"train_file": layout[0].name}
