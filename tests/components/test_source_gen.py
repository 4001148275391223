"""How a container gets the data of a run."""

import pathlib
from collections.abc import Callable
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ingestion_log import IN_PROCESS, ingest, log, rows_of, spec, write
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils, standard_artifacts

from clickwright.components.ingestion.prepared_executor import PreparedExecutor
from clickwright.components.source.artifacts import PreparedData
from clickwright.components.source.executor import Executor
from clickwright.components.source.prepared_files import PreparedFiles
from clickwright.components.source.remote_folder import RemoteFolder
from clickwright.components.source.source_facts import SourceFacts
from clickwright.schemas.datasets import source_class
from clickwright.schemas.errors import ClickwrightError, DataError, MachineError
from clickwright.schemas.spec import SPLITS


def bring(
    out: pathlib.Path, data: str | pathlib.Path, span: str = "latest", **facts: Any
) -> PreparedData:
    """Runs SourceGen's executor."""
    artifact = PreparedData()
    artifact.uri = str(out)
    known = SourceFacts(**{"spec": spec(), **facts})
    Executor().Do(
        {},
        {"prepared": [artifact]},
        {"data": str(data), "span": span, "source": known.model_dump_json()},
    )
    return artifact


def read(artifact: PreparedData) -> PreparedFiles:
    return PreparedFiles.read(pathlib.Path(artifact.uri))


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A log of three splits, with item data beside it."""
    for number, split in enumerate(SPLITS):
        write(log(40, seed=number), tmp_path / "log" / split / "part-0.parquet")
        (tmp_path / "log" / split / "_SUCCESS").touch()
    pq.write_table(pa.table({"item": ["a"]}), tmp_path / "log" / "items.parquet")
    return tmp_path / "log"


def names(folder: str | pathlib.Path) -> set[str]:
    root = pathlib.Path(folder)
    return {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()}


def test_files_of_the_user_s_own_are_copied_without_marks(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    artifact = bring(tmp_path / "out", folder)

    splits = {f"{split}/part-0.parquet" for split in SPLITS}
    assert names(artifact.uri) == {*splits, "items.parquet", "prepared.json"}
    prepared = read(artifact)
    assert prepared.splits == SPLITS
    assert prepared.fingerprint == artifact.get_string_custom_property(
        "input_fingerprint"
    )


def test_the_fingerprint_follows_the_content_and_not_the_place(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    first = read(bring(tmp_path / "1", folder)).fingerprint
    moved = folder.rename(tmp_path / "moved")
    assert read(bring(tmp_path / "2", moved)).fingerprint == first

    write(log(41, seed=9), moved / "test" / "part-0.parquet")
    assert read(bring(tmp_path / "3", moved)).fingerprint != first


def test_files_come_from_a_bucket(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    bucket = fsspec.filesystem("memory")
    bucket.put(str(folder), "/bucket/log", recursive=True)
    try:
        remote = bring(tmp_path / "remote", "memory://bucket/log")
    finally:
        bucket.rm("/bucket", recursive=True)

    local = bring(tmp_path / "local", folder)
    assert names(remote.uri) == names(local.uri)
    assert read(remote) == read(local)


@pytest.mark.parametrize(("span", "expected"), [("latest", 12), ("3", 3)])
def test_one_span_is_taken_and_what_lies_beside_all_of_them(
    span: str, expected: int, folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    for number in (3, 12):
        target = folder / f"span-{number}"
        for split in SPLITS:
            write(log(20, seed=number), target / split / "part-0.parquet")

    artifact = bring(tmp_path / "out", folder, span, in_spans=True)

    prepared = read(artifact)
    assert (prepared.span, prepared.folder) == (expected, f"span-{expected}")
    assert artifact.get_int_custom_property("span") == expected
    tops = {name.partition("/")[0] for name in names(artifact.uri)}
    assert tops == {f"span-{expected}", *SPLITS, "items.parquet", "prepared.json"}


@pytest.mark.parametrize(
    ("span", "facts", "message"),
    [
        ("4", {"in_spans": True}, "There is no span 4. Found: none"),
        ("latest", {"in_spans": True}, "There is no span latest"),
        ("newest", {"in_spans": True}, "`latest` or a number. Received: 'newest'"),
        ("4", {}, "has no spans"),
    ],
)
def test_a_span_that_is_not_there_is_refused(
    span: str,
    facts: dict[str, Any],
    message: str,
    folder: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    with pytest.raises(ClickwrightError, match=message) as caught:
        bring(tmp_path / "out", folder, span, **facts)
    assert caught.value.fix
    assert not names(tmp_path / "out")


@pytest.mark.parametrize(
    ("data", "facts", "message"),
    [
        ("", {}, "no address of the data"),
        ("", {"dataset": "frappe"}, "no address of the data, which the data set"),
        ("absent", {}, "There is no file to read"),
    ],
)
def test_data_that_are_not_there_are_refused(
    data: str, facts: dict[str, Any], message: str, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(ClickwrightError, match=message) as caught:
        bring(tmp_path / "out", data and tmp_path / data, **facts)
    assert "parameter `data`" in caught.value.where + caught.value.fix


def test_a_scheme_whose_package_is_missing_is_named() -> None:
    with pytest.raises(MachineError, match="cannot be read") as caught:
        RemoteFolder("nowhere://bucket/log")
    assert "gs:// or s3://" in caught.value.fix


@pytest.mark.parametrize("name", ["../outside.csv", "/outside.csv"])
def test_an_object_that_would_land_outside_is_refused(
    name: str, tmp_path: pathlib.Path
) -> None:
    remote = RemoteFolder("memory://bucket/log")
    with pytest.raises(DataError, match=r"outside\.csv' leads out of its folder"):
        remote.copy([name], tmp_path / "log")


def test_a_storage_that_fails_is_named(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, folder: pathlib.Path
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("reset by peer")

    monkeypatch.setattr("fsspec.implementations.local.LocalFileSystem.get_file", fail)
    with pytest.raises(MachineError, match="does not answer.*reset by peer") as caught:
        bring(tmp_path / "out", folder)
    assert caught.value.where == str(folder)


def test_a_simulated_data_set_needs_no_address(tmp_path: pathlib.Path) -> None:
    options = {"impressions": 1000, "users": 50, "items": 50, "days": 2}
    artifact = bring(
        tmp_path / "out",
        "",
        spec=source_class("marketplace").spec(),
        dataset="marketplace",
        options=options,
    )

    prepared = read(artifact)
    assert prepared.splits == ("all",)
    source = source_class("marketplace")
    again = source(source.Options(**options)).prepare(None, tmp_path / "here")
    assert prepared.fingerprint == again.fingerprint
    assert names(artifact.uri) >= names(again.directory)


def test_prepared_files_give_the_examples_that_the_folder_gives(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    context = base_beam_executor.BaseBeamExecutor.Context(beam_pipeline_args=IN_PROCESS)
    prepared = bring(tmp_path / "prepared", folder)
    examples = standard_artifacts.Examples()
    examples.uri = str(tmp_path / "examples")

    PreparedExecutor(context).Do(
        {"prepared": [prepared]},
        {"examples": [examples]},
        {"feature_spec": spec().model_dump_json()},
    )

    expected = ingest(folder, tmp_path / "expected", spec())
    assert artifact_utils.decode_split_names(examples.split_names) == list(SPLITS)
    for split in SPLITS:
        assert rows_of(examples, split, spec()) == rows_of(expected, split, spec())
    fingerprint = read(prepared).fingerprint
    assert examples.get_string_custom_property("input_fingerprint") == fingerprint
    assert examples.get_int_custom_property("rows_train") == 40


def test_a_prepared_log_that_breaks_the_spec_is_refused(
    folder: pathlib.Path, tmp_path: pathlib.Path, drop: Callable[[str], None]
) -> None:
    drop("click")
    context = base_beam_executor.BaseBeamExecutor.Context(beam_pipeline_args=IN_PROCESS)
    examples = standard_artifacts.Examples()
    examples.uri = str(tmp_path / "examples")

    with pytest.raises(DataError, match="click"):
        PreparedExecutor(context).Do(
            {"prepared": [bring(tmp_path / "prepared", folder)]},
            {"examples": [examples]},
            {"feature_spec": spec().model_dump_json()},
        )


@pytest.fixture
def drop(folder: pathlib.Path) -> Callable[[str], None]:
    """Drops a column of the training split."""

    def change(column: str) -> None:
        path = folder / "train" / "part-0.parquet"
        pq.write_table(pq.read_table(path).drop_columns([column]), path)

    return change
