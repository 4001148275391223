"""TikTok: short videos that people watched, with vectors of picture and sound."""

import pathlib
from typing import Any

import numpy as np

from clickwright.schemas.file_source import FileSource, RawFile
from clickwright.schemas.leave_one_out_source import ITEMS_FILE_NAME
from clickwright.schemas.source import write_splits
from clickwright.schemas.spec import SPLITS

_PAIRS = (
    RawFile("train.parquet", None, "6b109d8a75cf1869ba40bbe8587fde7c"),
    RawFile("valid.parquet", None, "c6f07598a74cb8822a2939bbb5c0c495"),
    RawFile("test.parquet", None, "1407a032be3686097550dc097019ece6"),
)
_VECTORS = {
    "image": RawFile("image_feat.npy", None, "f6527b50d983b46af95fee047e34b099"),
    "audio": RawFile("audio_feat.npy", None, "9204046d4d394c0990125d73671580e5"),
}


class TiktokSource(FileSource):
    """68,722 pairs of 9,308 people and 6,710 videos, in the published split.

    The pairs have no times. The `history` of valid and test rows is what the person
    watched in the training split, in the order of the files: what must not be
    recommended again. Training rows have none.

    Beside the splits lies `items.parquet`, with the columns `item`, `image` and
    `audio`. Published results that use a text of the videos had a third vector.

    References:
        Jiang et al., DiffMM: Multi-Modal Diffusion Model for Recommendation, MM 2024;
        pairs and vectors are those of https://github.com/HKUDS/DiffMM, whose matrices
        are pickled: the pairs are given as Parquet here.
    """

    name = "tiktok"
    subfolder = "diffmm_tiktok"
    layouts = ((*_PAIRS, *_VECTORS.values()),)

    def write(
        self, raw: pathlib.Path | None, directory: pathlib.Path
    ) -> tuple[dict[str, int], dict[str, Any]]:
        """Writes one Parquet file a split, and the item data."""
        # Imported here: the command line reads this module and needs no Arrow.
        import pyarrow as pa
        import pyarrow.parquet as pq

        place, layout = self.find(raw)
        read = {
            split: pq.read_table(place / file.name, columns=["user", "item"])
            for split, file in zip(SPLITS, layout, strict=False)
        }
        users, items = (read["train"][name].to_numpy() for name in ("user", "item"))
        people = 1 + max(pairs["user"].to_numpy().max() for pairs in read.values())
        counts = np.bincount(users, minlength=people)
        starts = np.cumsum(counts) - counts
        watched = items[np.argsort(users, kind="stable")].astype(np.int64)
        tables = {}
        for split, pairs in read.items():
            asked = pairs["user"].to_numpy()
            lengths = counts[asked] * (split != "train")
            stops = np.cumsum(lengths)
            into = np.arange(stops[-1]) - np.repeat(stops - lengths, lengths)
            history = watched[np.repeat(starts[asked], lengths) + into]
            tables[split] = pa.table(
                {
                    "watched": np.ones(len(asked), np.int64),
                    "user": asked.astype(np.int64),
                    "history": pa.ListArray.from_arrays(
                        pa.array(np.append(0, stops), pa.int32()), history
                    ),
                    "item": pairs["item"].to_numpy().astype(np.int64),
                }
            )
        pq.write_table(_item_data(place), directory / ITEMS_FILE_NAME)
        return write_splits(tables, directory), {}


def _item_data(place: pathlib.Path) -> Any:
    import pyarrow as pa

    columns = {}
    for name, file in _VECTORS.items():
        vectors = np.load(place / file.name, allow_pickle=False).astype(np.float32)
        flat = pa.array(vectors.ravel())
        columns[name] = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    items = np.arange(len(vectors), dtype=np.int64)
    return pa.table({"item": items, **columns})
