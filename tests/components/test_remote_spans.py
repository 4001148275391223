"""Runs by spans in containers: SourceGen asks the ledger what was read before."""

import pathlib
from typing import Any

import pyarrow.parquet as pq
import pytest
from tfx import types
from tfx.types import standard_artifacts
from tiny_shop import SPEC, make_log

from clickwright.components.absence import ABSENT_PROPERTY
from clickwright.components.ledger.ledger import Ledger
from clickwright.components.ledger.reader_executor import ReaderExecutor
from clickwright.components.ledger.writer_executor import WriterExecutor
from clickwright.components.source.artifacts import PreparedData
from clickwright.components.source.executor import Executor
from clickwright.components.source.prepared_files import PreparedFiles
from clickwright.components.source.source_facts import SourceFacts
from clickwright.schemas.errors import ClickwrightError, ConfigError, DataError
from clickwright.schemas.incremental import Incremental
from clickwright.schemas.marketplace.source import MarketplaceSource
from clickwright.schemas.spec import FeatureSpec


class Cluster:
    """Data, a ledger, and the tasks that read and write it."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.artifacts = 0
        self.params: dict[str, Any] = {"window": 3}
        self.where = {"ledger": str(folder / "ledger"), "name": "tiny"}

    def add(self, *spans: int, seed: int = 0) -> None:
        for span in spans:
            for split, table in make_log(seed + span).items():
                path = self.data / f"span-{span}" / split / "part-0.parquet"
                path.parent.mkdir(parents=True, exist_ok=True)
                pq.write_table(table, path)

    def artifact(self, kind: type[types.Artifact]) -> types.Artifact:
        self.artifacts += 1
        artifact = kind()
        artifact.uri = str(self.folder / "artifacts" / str(self.artifacts))
        pathlib.Path(artifact.uri).mkdir(parents=True)
        return artifact

    def source(self, span: str = "latest", **facts: Any) -> types.Artifact:
        prepared = self.artifact(PreparedData)
        told = SourceFacts(
            spec=MarketplaceSource.spec()
            if facts
            else FeatureSpec.model_validate(SPEC, strict=False),
            incremental=Incremental(**self.params),
            ledger=self.where["ledger"],
            pipeline=self.where["name"],
            **facts,
        )
        Executor().Do(
            {},
            {"prepared": [prepared]},
            {
                "data": "" if facts else str(self.data),
                "span": span,
                "source": told.model_dump_json(),
            },
        )
        return prepared

    def write(self, prepared: types.Artifact, blessed: bool = True) -> None:
        model = self.artifact(standard_artifacts.Model)
        span = PreparedFiles.read(pathlib.Path(prepared.uri)).span
        pathlib.Path(model.uri, "span").write_text(str(span))
        blessing = self.artifact(standard_artifacts.ModelBlessing)
        blessing.set_int_custom_property("blessed", int(blessed))
        pathlib.Path(blessing.uri, "BLESSED" if blessed else "NOT_BLESSED").touch()
        statistics = self.artifact(standard_artifacts.ExampleStatistics)
        WriterExecutor().Do(
            {
                "prepared": [prepared],
                "statistics": [statistics],
                "model": [model],
                "model_blessing": [blessing],
            },
            {},
            {**self.where, "config": "c", "keep": 5},
        )

    def read(self, prepared: types.Artifact) -> dict[str, types.Artifact]:
        kinds = {
            "baseline_statistics": standard_artifacts.ExampleStatistics,
            "previous_report": standard_artifacts.ExampleStatistics,
            "baseline_model": standard_artifacts.Model,
            "base_model": standard_artifacts.Model,
        }
        outputs = {key: [self.artifact(kind)] for key, kind in kinds.items()}
        ReaderExecutor().Do(
            {"prepared": [prepared]}, outputs, {**self.where, "config": "c"}
        )
        return {key: artifact for key, [artifact] in outputs.items()}

    def run(self, span: str = "latest", blessed: bool = True) -> None:
        self.write(self.source(span), blessed)


@pytest.fixture
def cluster(tmp_path: pathlib.Path) -> Cluster:
    return Cluster(tmp_path)


def is_absent(artifact: types.Artifact) -> bool:
    return bool(artifact.get_int_custom_property(ABSENT_PROPERTY) == 1)


def rows(prepared: types.Artifact, split: str) -> int:
    files = PreparedFiles.read(pathlib.Path(prepared.uri))
    folder = pathlib.Path(prepared.uri, files.folder, split)
    assert not any(path.is_symlink() for path in folder.iterdir())
    return sum(pq.read_metadata(path).num_rows for path in folder.iterdir())


def test_the_first_run_reads_its_window_and_starts_from_scratch(
    cluster: Cluster,
) -> None:
    cluster.add(1, 2, 3, 4)
    prepared = cluster.source()
    files = PreparedFiles.read(pathlib.Path(prepared.uri))
    assert (files.span, files.folder) == (4, "span-4")
    assert sorted(files.splits) == ["test", "train", "valid"]
    assert rows(prepared, "train") == 3 * 2000
    assert rows(prepared, "test") == 600
    assert is_absent(cluster.read(prepared)["base_model"])


def test_a_later_run_goes_on_from_the_model_whose_unseen_rows_it_reads(
    cluster: Cluster,
) -> None:
    cluster.add(1, 2)
    cluster.run()
    cluster.add(3)
    cluster.run(blessed=False)
    cluster.add(4)
    prepared = cluster.source()
    assert rows(prepared, "train") == 2 * 2000
    base = cluster.read(prepared)["base_model"]
    assert pathlib.Path(base.uri, "span").read_text() == "2"
    ledger = Ledger(cluster.where["ledger"], "tiny")
    assert [(r.span, r.state, r.parent) for r in ledger.spans()] == [
        (2, "blessed", None),
        (3, "not_blessed", 2),
    ]


def test_a_cold_start_on_a_range_has_no_parent(cluster: Cluster) -> None:
    cluster.add(1, 2)
    cluster.run("1")
    prepared = cluster.source("1..2")
    assert rows(prepared, "train") == 2 * 2000
    outputs = cluster.read(prepared)
    assert is_absent(outputs["base_model"])
    assert not is_absent(outputs["baseline_model"])


def test_days_of_the_simulated_shop_come_without_an_address(cluster: Cluster) -> None:
    options = {"impressions": 2000, "users": 60, "items": 90, "days": 2}
    prepared = cluster.source(
        dataset="marketplace", options={**options, "by_day": True}
    )
    assert PreparedFiles.read(pathlib.Path(prepared.uri)).span == 2
    assert pathlib.Path(prepared.uri, "items.parquet").is_file()


@pytest.mark.parametrize(
    ("span", "words", "error"),
    [
        ("latest", "There is a gap", DataError),
        ("1", "lies before the span 2", ConfigError),
        ("7", "The span 7 is not there", DataError),
        ("next", "latest", ConfigError),
    ],
)
def test_what_cannot_be_read_is_told(
    span: str, words: str, error: type[ClickwrightError], cluster: Cluster
) -> None:
    cluster.add(1, 2)
    cluster.run()
    cluster.add(4)
    with pytest.raises(error, match=words):
        cluster.source(span)


def test_a_span_that_arrives_twice_is_refused(cluster: Cluster) -> None:
    cluster.add(1, 2)
    cluster.run()
    cluster.add(2, seed=5)
    with pytest.raises(DataError, match="span 2 has arrived twice"):
        cluster.source()
