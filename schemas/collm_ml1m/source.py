"""CoLLM's MovieLens-1M: whether a person likes a film, with histories and titles."""

import pathlib
from typing import Any

from clickwright.schemas.file_source import FileSource, RawFile
from clickwright.schemas.source import write_splits
from clickwright.schemas.spec import SPLITS

# Everyone turns the published pickles into Parquet himself: bytes differ.
_FILES = (
    RawFile("train.parquet", 33_891, None),
    RawFile("valid.parquet", 10_401, None),
    RawFile("test.parquet", 7_331, None),
)


class CollmMl1mSource(FileSource):
    """51,623 ratings of MovieLens-1M, split by time, with what each person liked before.

    A rating of four or five stars is a click. Histories and splits are the published
    ones, their leading 0, which stands for no film, left out. A history ends with what
    stood before the row, even in the same second. Beside the splits lies
    `items.parquet`: `item` and `title`, one row a film of any split or history.

    The published files are pandas' pickles in a zip archive, which this product does
    not open: convert `train`, `valid` and `test` with
    `pandas.read_pickle(...).to_parquet(...)` where you trust them.

    References:
        Zhang et al., CoLLM: Integrating Collaborative Embeddings into Large Language
        Models for Recommendation, TKDE 2025 (arXiv 2310.19488); files are those of
        https://github.com/zyang1580/CoLLM, `collm-datasets/ml-1m.zip`. Harper and
        Konstan, The MovieLens Datasets: History and Context, ACM TiiS 5(4), 2015.
    """

    name = "collm_ml1m"
    subfolder = "collm_ml1m"
    layouts = (_FILES,)

    def write(
        self, raw: pathlib.Path | None, directory: pathlib.Path
    ) -> tuple[dict[str, int], dict[str, Any]]:
        """Writes one Parquet file a split in the columns of the spec, and the films."""
        # Imported here: the command line reads this module and needs no Arrow.
        import pyarrow.parquet as pq

        from clickwright.schemas.collm_ml1m import rows

        place, layout = self.find(raw)
        read = {
            split: rows.read(place / file.name)
            for split, file in zip(SPLITS, layout, strict=True)
        }
        pq.write_table(rows.films(read.values()), directory / "items.parquet")
        logs = {split: rows.click_log(table) for split, table in read.items()}
        return write_splits(logs, directory), {}
