"""Preparing data: whole or absent, and reused."""

import errno
import pathlib
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clickwright.schemas.datasets import SOURCES, source_class
from clickwright.schemas.errors import ConfigError, MachineError
from clickwright.schemas.marketplace.source import MarketplaceSource
from clickwright.schemas.source import Source, read_prepared
from clickwright.schemas.spec import FeatureSpec
from clickwright.schemas.strict_yaml import StrictModel


class ToySource(Source):
    """Writes one row; `calls` counts how often, `failure` is raised halfway."""

    class Options(StrictModel):
        value: int = 1

    name = "toy"
    needs_raw = False
    calls = 0
    failure: BaseException | None = None

    @classmethod
    def spec(cls) -> FeatureSpec:
        return FeatureSpec.model_validate(
            {
                "name": "toy",
                "labels": {"click": {}},
                "split": {"kind": "given"},
                "features": {"value": {"kind": "numeric", "role": "user"}},
            }
        )

    def raw_fingerprint(self, raw: pathlib.Path | None) -> str:
        return "" if raw is None else raw.read_text()

    def write(
        self, raw: pathlib.Path | None, directory: pathlib.Path
    ) -> tuple[dict[str, int], dict[str, Any]]:
        assert isinstance(self.options, ToySource.Options)
        self.calls += 1
        (directory / "train").mkdir()
        table = pa.table({"value": [self.options.value]})
        pq.write_table(table, directory / "train" / "part-00000.parquet")
        if self.failure is not None:
            raise self.failure
        return {"train": 1}, {"best": 0.5}


def toy(value: int = 1) -> ToySource:
    return ToySource(ToySource.Options(value=value))


def test_prepared_data_say_where_they_are_and_what_is_in_them(
    tmp_path: pathlib.Path,
) -> None:
    prepared = toy(7).prepare(None, tmp_path)

    assert prepared.directory == toy(7).directory(None, tmp_path)
    assert prepared.directory.name == f"toy-{prepared.fingerprint}"
    assert (prepared.splits, prepared.rows) == (("train",), {"train": 1})
    assert prepared.details == {"best": 0.5}
    assert pq.read_table(prepared.directory / "train").to_pydict() == {"value": [7]}
    assert read_prepared(prepared.directory) == prepared


def test_the_same_input_is_not_prepared_twice(tmp_path: pathlib.Path) -> None:
    source = toy()
    first = source.prepare(None, tmp_path)
    path = first.directory / "train" / "part-00000.parquet"
    before = path.stat().st_mtime_ns

    assert source.prepare(None, tmp_path) == first
    assert source.calls == 1
    assert path.stat().st_mtime_ns == before


def test_other_options_or_files_give_another_folder(tmp_path: pathlib.Path) -> None:
    raw = tmp_path / "raw"
    raw.write_text("a")
    folders = {toy(1).prepare(None, tmp_path).directory}
    folders.add(toy(2).prepare(None, tmp_path).directory)
    folders.add(toy(1).prepare(raw, tmp_path).directory)
    raw.write_text("b")
    folders.add(toy(1).prepare(raw, tmp_path).directory)

    assert len(folders) == 4


@pytest.mark.parametrize("failure", [ValueError("halfway"), KeyboardInterrupt()])
def test_an_interrupted_preparation_leaves_nothing(
    tmp_path: pathlib.Path, failure: BaseException
) -> None:
    source = toy()
    source.failure = failure
    with pytest.raises(type(failure)):
        source.prepare(None, tmp_path)
    assert list(tmp_path.iterdir()) == []

    source.failure = None
    assert source.prepare(None, tmp_path).rows == {"train": 1}


def test_a_folder_without_a_manifest_is_written_anew(tmp_path: pathlib.Path) -> None:
    source = toy()
    directory = source.prepare(None, tmp_path).directory
    (directory / "manifest.json").unlink()
    (directory / "train" / "part-00000.parquet").write_bytes(b"half")

    source.prepare(None, tmp_path)

    assert pq.read_table(directory / "train").to_pydict() == {"value": [1]}


def test_a_folder_that_cannot_be_written_is_the_users_to_mend(
    tmp_path: pathlib.Path,
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")

    with pytest.raises(MachineError, match="cannot be written") as caught:
        toy().prepare(None, blocked)

    assert str(blocked) in caught.value.where


def test_a_full_disk_leaves_nothing_and_says_so(tmp_path: pathlib.Path) -> None:
    source = toy()
    source.failure = OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(MachineError, match="No space is left on the disk") as caught:
        source.prepare(None, tmp_path)

    assert caught.value.fix
    assert list(tmp_path.iterdir()) == []


def test_data_sets_are_found_by_name() -> None:
    assert sorted(SOURCES) == [
        "adult",
        "beauty",
        "collm_ml1m",
        "criteo_8k",
        "frappe",
        "marketplace",
        "movielens",
        "tiktok",
        "toys",
    ]
    for name, source in SOURCES.items():
        assert source_class(name) is source
        assert source.folder().name == name


def test_an_unknown_data_set_is_refused_with_the_closest_name() -> None:
    with pytest.raises(ConfigError) as caught:
        source_class("movielense")

    assert str(caught.value) == (
        "Unknown data set `movielense`. Did you mean `movielens`? "
        "Fix: use one of adult, beauty, collm_ml1m, criteo_8k, frappe, marketplace, movielens, "
        "tiktok, toys"
    )


def test_simulated_data_have_nothing_to_fetch(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="`marketplace` has nothing to fetch"):
        MarketplaceSource.fetch(tmp_path / "raw")

    assert list(tmp_path.iterdir()) == []
