"""TikTok: pairs, what was watched before, and two vectors a video."""

import hashlib
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clickwright.schemas.errors import ConfigError
from clickwright.schemas.file_source import RawFile
from clickwright.schemas.metadata import schema_text
from clickwright.schemas.tiktok.source import TiktokSource

PAIRS = {
    "train": [(1, 4), (0, 2), (1, 3), (1, 0)],
    "valid": [(1, 2), (3, 1)],
    "test": [(0, 1), (2, 4), (1, 1)],
}


@pytest.fixture
def raw(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    for split, pairs in PAIRS.items():
        users, items = zip(*pairs, strict=True)
        columns = {"user": pa.array(users, pa.int32()), "item": pa.array(items)}
        pq.write_table(pa.table(columns), folder / f"{split}.parquet")
    for name, scale in (("image", 1.0), ("audio", -0.5)):
        vectors = scale * np.arange(10, dtype=np.float16).reshape(5, 2)
        np.save(folder / f"{name}_feat.npy", vectors)
    files = []
    for file in TiktokSource.layouts[0]:
        digest = hashlib.md5((folder / file.name).read_bytes()).hexdigest()
        files.append(RawFile(file.name, None, digest))
    monkeypatch.setattr(TiktokSource, "layouts", (tuple(files),))
    return folder


def test_rows_to_rank_know_what_was_watched_in_the_training_split(
    raw: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    prepared = TiktokSource().prepare(raw, tmp_path / "out")

    watched = {user: [i for u, i in PAIRS["train"] if u == user] for user in range(4)}
    for split, pairs in PAIRS.items():
        assert pq.read_table(prepared.directory / split).to_pylist() == [
            {
                "watched": 1,
                "user": user,
                "history": [] if split == "train" else watched[user],
                "item": item,
            }
            for user, item in pairs
        ]
    items = pq.read_table(prepared.directory / "items.parquet").to_pylist()
    assert items[3] == {"item": 3, "image": [6.0, 7.0], "audio": [-3.0, -3.5]}
    assert len(items) == 5


def test_the_schema_is_that_of_the_spec() -> None:
    schema = (TiktokSource.folder() / "schema.pbtxt").read_text()
    assert schema == schema_text(TiktokSource.spec())


def test_users_bring_the_files(raw: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="no public address"):
        TiktokSource.fetch(tmp_path / "fetched")
    TiktokSource.fetch(tmp_path / "fetched", str(raw))
    assert TiktokSource().raw_fingerprint(tmp_path / "fetched")
