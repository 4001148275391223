"""MovieLens-100k: film ratings as clicks, with histories."""

import pathlib
from typing import Any, cast

from clickwright.schemas.file_source import FileSource, RawFile
from clickwright.schemas.source import write_splits
from clickwright.schemas.spec import SequenceFeature

_ORIGINAL = (
    RawFile("u.data", 100_000, "6e47046882bad158b0efbb84cd5cb987", header=False),
    # Copies of u.item differ in how they write accents.
    RawFile("u.item", 1_682, None, header=False),
    RawFile("u.user", 943, "1b53539edc13caad0282c8500608a319", header=False),
)
_ATOMIC = (
    RawFile("ml-100k.inter", 100_000, "a8a8c3f165aedc53f63b5dc0a0463b14"),
    RawFile("ml-100k.item", 1_682, "fb748e97e64d9a35421d06d7083d0959"),
    RawFile("ml-100k.user", 943, "ac50ecbab626dbefa83288a3593f92ab"),
)


class MovielensSource(FileSource):
    """100,000 ratings of 1,682 films by 943 people, 1997-09 to 1998-04.

    A rating of four or five stars is a click. A row's history holds the latest 50
    films that the person had given four or five stars in an earlier second.

    References:
        Harper and Konstan, The MovieLens Datasets: History and Context, ACM TiiS
        5(4), 2015. GroupLens' files and RecBole's atomic files give the same rows.
    """

    name = "movielens"
    address = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
    address_md5 = "0e33842e24a9c977be4e0107933c0723"
    subfolder = "ml-100k"
    layouts = (_ORIGINAL, _ATOMIC)

    def write(
        self, raw: pathlib.Path | None, directory: pathlib.Path
    ) -> tuple[dict[str, int], dict[str, Any]]:
        """Writes one Parquet file, `all`; the spec splits it by time."""
        # Imported here: the command line reads this module and needs no Arrow.
        from clickwright.schemas.movielens import rows

        place, layout = self.find(raw)
        read = rows.read_original if layout is _ORIGINAL else rows.read_atomic
        history = cast(SequenceFeature, self.spec().features["history"])
        table = rows.click_log(*read(place), history.max_length)
        return write_splits({"all": table}, directory), {}
